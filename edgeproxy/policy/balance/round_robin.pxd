# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.balance.base cimport Strategy
from edgeproxy.policy.worker cimport Worker

cdef class RoundRobin(Strategy):
    cdef list _workers, _heap
    cdef double _turn

    @cython.locals(heap=list, worker=Worker)
    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)

@cython.locals(at=Py_ssize_t, child=Py_ssize_t, count=Py_ssize_t, worker=Worker, left=Worker, right=Worker)
cdef _sift(list heap)
cdef bint _before(Worker one, Worker other)
