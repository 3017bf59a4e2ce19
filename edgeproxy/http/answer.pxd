# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.http.framing cimport content_length

cdef int _QUOTE, _BACKSLASH, _SPACE, _TILDE, _MOST_DOCUMENTS
cdef dict _documents
cdef bytes _ID

@cython.final
cdef class _Document:
    cdef bytes start, before, behind
    cdef bint named

@cython.locals(document=_Document, body=bytes)
cpdef bytes error_answer(fault, str detail, bytes request_id, str dialect, bytes date, bint close, bint to_head, bytes added=*)
cdef _Document _document(fault, str detail, str dialect)
cdef bytes _start(fault, str dialect)
@cython.locals(byte="unsigned char")
cpdef bint stands_in_json(bytes text) except -1
