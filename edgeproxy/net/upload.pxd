# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.body cimport BodyReader
from edgeproxy.http.request cimport RequestHead
from edgeproxy.net.connection cimport Connection
from edgeproxy.net.edge cimport Edge
from edgeproxy.proxy.exchange cimport Exchange

cdef int BULK_BYTES, SOURCE_ENDED, WHOLE

cdef class UploadingConnection(Connection):
    cdef public Exchange exchange
    cdef public bytes buffer
    cdef public BodyReader body

    cdef _expect_body(self, Exchange exchange, RequestHead head, bytes rest)
    cdef _body_received(self, Exchange exchange, bytes data)
    cpdef pause_reading(self)
    cpdef watch_for_departure(self)
    cdef double _body_deadline(self, double now) except? -1
