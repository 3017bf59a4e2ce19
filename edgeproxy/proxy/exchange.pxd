# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.request cimport RequestHead
from edgeproxy.policy.address cimport Source
from edgeproxy.policy.keys cimport Caller
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.table cimport Route, Table

cdef int _QUESTION_MARK, PATIENCE
cdef double FOREVER
cdef bytes GET

@cython.locals(seen="const unsigned char*", at=Py_ssize_t)
cpdef bytes path_of(bytes target)

cdef class Exchange

cdef class Peer:
    cdef public object write, trusted, credential_rules
    cdef public Source source
    cdef public Caller caller
    cdef public bytes credential, loop, pseudonym
    cdef public bytes forwarded, host, ours
    cdef public int minor
    cdef public bint reused

    cpdef answer(self, Exchange exchange, fault, str detail=*)
    cpdef finish(self, Exchange exchange)
    cpdef follow(self, Exchange exchange)
    cpdef begin(self, Exchange exchange)
    cpdef send(self, bytes payload)
    cpdef pause_reading(self)
    cpdef resume_reading(self)

@cython.final
@cython.freelist(64)
cdef class Exchange:
    cdef public object fault, record
    cdef public Peer client, upstream
    cdef public double started, began, answer_by
    cdef public Route route
    cdef public RequestHead head
    cdef public Worker worker
    cdef public bytes request_id, path, cache_status
    cdef public str answered_by, caller
    cdef public Source source
    cdef public bytes credentials, added
    cdef public bint cors, counted, preflight
    cdef public list unsent, kept, tried
    cdef public object held
    cdef public unsigned long long key
    cdef public Exchange rival
    cdef Exchange _older, _newer
    cdef public bint waiting, retrying, hedged
    cdef public int attempt, patience
    cdef public double queued_until
    cdef public bint idempotent, replayable, request_done, exclusive, raced, recorded, responding, close, finished
    cdef public Py_ssize_t bytes_in, bytes_out, kept_bytes
    cdef public int failovers, status, framing

    cpdef take(self, bytes payload)
    cdef _keep(self, bytes payload)
    cdef bint _may_be_returned(self) except -1
    cpdef forget(self)
    cpdef rewind(self)
    cpdef double until(self, double deadline)
    cpdef Exchange older(self)

@cython.final
cdef class Waiting:
    cdef readonly Exchange newest
    cdef readonly Py_ssize_t count

    cpdef add(self, Exchange exchange)
    @cython.locals(older=Exchange, newer=Exchange)
    cpdef remove(self, Exchange exchange)

