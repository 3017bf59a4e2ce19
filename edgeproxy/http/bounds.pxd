# Types of the compiled way; the source is the .py beside it.
cdef class Bounds:
    cdef readonly long long fields, target, extension, trailers, trailer_bytes
