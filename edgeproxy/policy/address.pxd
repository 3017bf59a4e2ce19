# Types of the compiled way; the source is the .py beside it.
cimport cython

@cython.final
cdef class Source:
    cdef readonly str text
    cdef readonly long long key
    cdef readonly bint local, exempt, denied

cdef class Sources:
    cdef bytes _secret
    cdef object _trusted, _allowed, _denied
    cdef dict _accounts

    cpdef Source of(self, str text)
    cpdef Source claimed(self, Source peer, account)
    cdef _hashed(self, bytes data)
