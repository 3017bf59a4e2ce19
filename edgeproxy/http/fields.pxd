# Types of the compiled way; the source is the .py beside it.
cdef class FieldNames:
    cdef object _special, _family
    cdef int _family_kind
    cdef dict _known
    cdef readonly bytes slots, kinds
    cdef readonly list candidates

    cpdef int kind(self, bytes name, fault) except -1
    cdef int _judge(self, bytes lowered, fault) except -1
