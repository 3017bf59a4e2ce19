# Types of the compiled way; the source is the .py beside it.
from edgeproxy.net.edge cimport Edge
from edgeproxy.net.pool cimport take
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange

cdef class NetworkDialer:
    cdef public Edge edge
    cdef set _dials
    cdef object _reach, _tls

    cpdef idle(self, Worker worker, Exchange exchange)
