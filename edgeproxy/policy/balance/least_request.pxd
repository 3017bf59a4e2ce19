# Types of the compiled way; the source is the .py beside it.
from edgeproxy.policy.balance.base cimport Cheapest
from edgeproxy.policy.worker cimport Worker

cdef class LeastRequest(Cheapest):
    cdef double cost(self, Worker worker, double now) except? -1
