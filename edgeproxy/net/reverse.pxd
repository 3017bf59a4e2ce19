# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.response cimport ResponseHead
from edgeproxy.net.edge cimport Edge
from edgeproxy.net.upstream cimport UpstreamConnection
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange

cdef class Lobby:
    cdef public Edge edge
    cdef public list idle
    cdef public set sockets
    cdef public dict services
    cdef public Worker home
    cdef public object waiting  # a deque
    cdef object _gone, _timer

cdef class ReverseConnection(UpstreamConnection):
    cdef public Lobby lobby
    cdef public object source

    cpdef begin(self, Exchange exchange)
    cpdef rest(self)
    cdef _answer_begins(self, Exchange exchange, ResponseHead head, bytes rest)
