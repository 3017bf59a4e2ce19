# Types of the compiled way; the source is the .py beside it.
cimport cython

cdef long long _MAX_LENGTH
cdef int _MAX_DIGITS
cdef dict _lengths

@cython.locals(digits="const unsigned char*", size=Py_ssize_t, length="long long", at=Py_ssize_t, digit=int)
cpdef long long parse_content_length(bytes value, fault) except -1

@cython.locals(line=bytes)
cpdef bytes content_length(long long length)
