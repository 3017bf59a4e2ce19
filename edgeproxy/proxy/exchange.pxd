# Types of the compiled way; the source is the .py beside it.
from edgeproxy.http.request cimport RequestHead
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.table cimport Route, Table

cdef class Exchange:
    cdef public object client, upstream, fault
    cdef public double started
    cdef public Route route
    cdef public RequestHead head
    cdef public Worker worker
    cdef public bytes request_id, path
    cdef public str answered_by
    cdef public list unsent, kept, tried
    cdef public bint idempotent, request_done, exclusive, raced, responding, close, finished
    cdef public Py_ssize_t bytes_in, bytes_out, kept_bytes
    cdef public int failovers, status, framing

    cpdef take(self, bytes payload)
    cpdef rewind(self)
