# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.body cimport BodyReader
from edgeproxy.http.scan cimport head_end, tail
from edgeproxy.http.request cimport RequestHead, parse_request
from edgeproxy.net.edge cimport Edge
from edgeproxy.net.connection cimport Connection
from edgeproxy.proxy.exchange cimport Exchange

cdef int TUNNEL, UNTIL_END, HIGH_WATER, BULK_BYTES, MAX_KEPT, SOURCE_ENDED, WHOLE
cdef long long NO_BODY

cdef class ClientConnection(Connection):
    cdef public bytes buffer
    cdef public Exchange exchange
    cdef public BodyReader body
    cdef public double body_since
    cdef public long long body_mark
    cdef bint pumping, skipped, lingering
    cdef Py_ssize_t lingered

    cdef _pump(self)
    cdef bint _take_head(self) except -1
    cdef _head_incomplete(self, bytes data, Py_ssize_t end)
    cdef _begin(self, RequestHead head, bytes rest)
    cdef _expect_body(self, Exchange exchange, RequestHead head, bytes rest)
    cdef _body_received(self, Exchange exchange, bytes data)
    cdef double _body_deadline(self, double now) except? -1
    cdef _hold(self, bytes data)
    cpdef finish(self, Exchange exchange)
