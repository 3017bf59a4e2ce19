# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.body cimport BodyReader
from edgeproxy.http.response cimport ResponseHead
from edgeproxy.http.scan cimport head_end, tail
from edgeproxy.http.response cimport parse_response
from edgeproxy.net.edge cimport Edge
from edgeproxy.net.limits cimport Limits
from edgeproxy.net.pool cimport PooledConnection
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange
from edgeproxy.proxy.relay cimport request_head, request_payload, response_payload, response_start

cdef long long NO_BODY
cdef int CHUNKED, RAW, TUNNEL, BULK_BYTES, SOURCE_ENDED, WHOLE

cdef class UpstreamConnection(PooledConnection):
    cdef public Exchange exchange
    cdef public bytes buffer
    cdef public BodyReader body
    cdef public bint half_closed, keep
    cdef public int interim

    cpdef begin(self, Exchange exchange)
    cpdef send(self, bytes payload)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cdef double _until_next(self, Exchange exchange) except? -1
    cdef _take_head(self, Exchange exchange, bytes data)
    cdef _pass_interim(self, Exchange exchange, ResponseHead head, bytes rest)
    @cython.locals(body=BodyReader, payload=bytes, extra=bytes)
    cdef _answer_begins(self, Exchange exchange, ResponseHead head, bytes rest)
    cdef _record(self, Exchange exchange, ResponseHead head, bytes payload)
    cdef _take_body(self, Exchange exchange, BodyReader body, bytes data)
    cdef _complete(self, Exchange exchange)
