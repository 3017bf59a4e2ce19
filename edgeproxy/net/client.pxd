# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.cache.store cimport Store
from edgeproxy.http.answer cimport error_answer
from edgeproxy.http.scan cimport head_end, tail
from edgeproxy.http.request cimport RequestHead, parse_request
from edgeproxy.net.edge cimport Edge
from edgeproxy.net.introduced cimport IntroducedConnection
from edgeproxy.proxy.caching cimport consult, stored_answer
from edgeproxy.proxy.exchange cimport Exchange

cdef int TURN, TUNNEL, UNTIL_END
cdef long long NO_BODY

cdef class ClientConnection(IntroducedConnection):
    cdef public int requests
    cdef double last_begin
    cdef bint pumping, resting, skipped, lingering
    cdef Py_ssize_t lingered

    @cython.locals(left=int)
    cdef _pump(self)
    cdef _rest(self)
    cdef bint _take_head(self) except -1
    cdef _head_incomplete(self, bytes data, Py_ssize_t end)
    cdef _begin(self, RequestHead head, bytes rest)
    cdef _hold(self, bytes data)
    @cython.locals(answer=bytes, body=bytes)
    cdef bint _answer_from_cache(self, Exchange exchange, Store cache) except -1
    cdef _conclude(self, Exchange exchange, int status)
    cdef _end(self, Exchange exchange, bytes answer)
    cdef bytes _date(self)
    cpdef answer(self, Exchange exchange, fault, str detail=*)
    cpdef finish(self, Exchange exchange)
    cpdef follow(self, Exchange exchange)
