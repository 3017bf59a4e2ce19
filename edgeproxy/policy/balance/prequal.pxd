# Types of the compiled way; the source is the .py beside it.
from edgeproxy.policy.balance.base cimport Cheapest
from edgeproxy.policy.worker cimport Worker

cdef double HOT, STEP, TRUSTED, _HOT_COST

cdef class Prequal(Cheapest):
    cdef double _hot

    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)
    cdef double cost(self, Worker worker, double now) except? -1

cdef int _in_flight(Worker worker, double now)
