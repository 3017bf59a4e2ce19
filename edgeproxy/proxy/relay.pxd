# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.framing cimport content_length
from edgeproxy.http.request cimport RequestHead
from edgeproxy.http.response cimport ResponseHead
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange, Peer

cdef int CHUNKED, RAW, TUNNEL, UNTIL_END
cdef long long NO_BODY, UNTIL_CHUNKED
cdef list _STATUS_LINES
cdef bytes _VIA_AND_ID, _VIA_1_0_AND_ID

@cython.locals(head=RequestHead, target=bytes)
cpdef bytes request_head(Exchange exchange, Worker worker)
cdef bytes _ours(Peer client, RequestHead head)
cdef bytes _written(Peer client, RequestHead head, bytes forwarded, bytes host)
cdef bytes _target(bytes target, Py_ssize_t strip)
cdef bytes _request_framing(RequestHead head)
cpdef bytes request_payload(Exchange exchange, bytes payload)
@cython.locals(framing=bytes)
cpdef bytes response_start(Exchange exchange, ResponseHead head, bytes payload, bint done)
cdef bytes _response_framing(Exchange exchange, ResponseHead head)
cdef bytes _connection(Exchange exchange)
cpdef bytes response_payload(Exchange exchange, bytes payload, bint done)
