# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.balance.base cimport Strategy
from edgeproxy.policy.hashing cimport mix
from edgeproxy.policy.worker cimport Worker

cdef double _WHOLE

cdef class Rendezvous(Strategy):
    cdef Strategy _others
    cdef double _bound

    @cython.locals(limit=double, worker=Worker, best=Worker, rank=double, highest=double, flying="long long", weight=double)
    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)
