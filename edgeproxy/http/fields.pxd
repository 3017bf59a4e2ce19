# Types of the compiled way; the source is the .py beside it.
cdef class FieldNames:
    cdef object _special
    cdef bytes _family
    cdef int _family_kind
    cdef dict _known
    cdef readonly bytes maybe

    cpdef int kind(self, bytes name, fault) except -1
    cdef int _judge(self, bytes lowered, fault) except -1
