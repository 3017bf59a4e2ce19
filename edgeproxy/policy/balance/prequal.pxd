# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.balance.base cimport Cheapest
from edgeproxy.policy.worker cimport Worker

cdef double _HOT, _STEP, _TRUSTED, _HOT_COST

cdef class Prequal(Cheapest):
    cdef double _hot

    @cython.locals(load=int)
    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)
    @cython.locals(load=int, latency=double)
    cdef double cost(self, Worker worker, double now) except? -1

cdef int _in_flight(Worker worker, double now)
