# Types of the compiled way; the source is the .py beside it.
cimport cython

@cython.final
cdef class Caller:
    cdef readonly str name
    cdef readonly bytes digest
    cdef readonly object services
    cdef readonly list limits
    cdef readonly double expires
    cdef readonly long long key

    cpdef bint may_use(self, str service)

@cython.final
cdef class Keyring:
    cdef dict _by_digest
    cdef Caller _stranger

    cpdef Caller find(self, bytes credential)

cpdef bytes bearer(bytes authorization)
