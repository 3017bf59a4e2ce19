# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.response cimport ResponseHead
from edgeproxy.net.upstream cimport UpstreamConnection
from edgeproxy.proxy.exchange cimport Exchange

cdef class ReverseConnection(UpstreamConnection):
    cdef public object lobby

    cpdef begin(self, Exchange exchange)
    cpdef rest(self)
    cdef _answer_begins(self, Exchange exchange, ResponseHead head, bytes rest)
