# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.freshness cimport selected
from edgeproxy.telemetry.counters cimport Counters

cdef class Entry:
    cdef readonly bytes key, fields, cors, body, etag, last_modified
    cdef readonly int status
    cdef readonly double born
    cdef readonly long long lifetime, size
    cdef readonly tuple vary, selected
    cdef public bytes shown
    cdef public long long shown_age

    @cython.locals(age="long long")
    cpdef long long age(self, double now) except -1

cdef class Store:
    cdef public long long max_bytes, max_entry
    cdef public Counters counters
    cdef object _variants

    @cython.locals(variants=list, entry=Entry)
    cpdef Entry find(self, bytes key, bytes lines)
