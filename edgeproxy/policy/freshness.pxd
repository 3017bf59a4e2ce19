# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef long long _LONGEST

cdef class Asked:
    cdef readonly bint no_store, no_cache, only_stored, whole
    cdef readonly object max_age, etags, modified_since
    cdef readonly long long min_fresh

    cdef _read(self, dict fields)

cdef int _LF, _LONGEST_ASKING
cdef tuple _ASKING

cpdef Asked asked_by(bytes lines)
@cython.locals(seen="const unsigned char*", begins=bint, at=Py_ssize_t, first="unsigned char")
cdef bint _speaks_of_caching(bytes lines) except -1
cpdef bint fresh(Asked asked, long long lifetime, long long age) except -1
cpdef bint unchanged(Asked asked, bytes etag, bytes last_modified) except -1
cpdef tuple selected(bytes lines, tuple vary)
