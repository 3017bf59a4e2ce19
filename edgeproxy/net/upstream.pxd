# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.body cimport BodyReader
from edgeproxy.http.response cimport ResponseHead
from edgeproxy.net.connection cimport Connection
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange

cdef int CHUNKED, RAW, TUNNEL, BULK_BYTES, SOURCE_ENDED, WHOLE

cdef class UpstreamConnection(Connection):
    cdef public Worker worker
    cdef public Exchange exchange
    cdef public bytes buffer
    cdef public BodyReader body
    cdef public bint half_closed, keep, reused
    cdef public int interim
    cdef public double idle_since, idle_age

    cpdef begin(self, Exchange exchange)
    cpdef send(self, bytes payload)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cdef double _until_next(self, Exchange exchange) except? -1
    cdef _take_head(self, Exchange exchange, bytes data)
    cdef _pass_interim(self, Exchange exchange, ResponseHead head, bytes rest)
    cdef _answer_begins(self, Exchange exchange, ResponseHead head, bytes rest)
    cdef _take_body(self, Exchange exchange, BodyReader body, bytes data)
    cdef _complete(self, Exchange exchange)
