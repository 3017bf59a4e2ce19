# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.words cimport Words

cdef long long WAYS, PLACES, _PLACE, _PART

@cython.final
cdef class Presence:
    cdef Words _words
    cdef Py_ssize_t _first, _own
    cdef int _parts

    @cython.locals(words=Words, part=int, head=Py_ssize_t, word=Py_ssize_t)
    cpdef bint join(self, long long pid) except -1
    @cython.locals(words=Words, part=int, head=Py_ssize_t)
    cpdef ended(self, long long pid)
    cpdef hold(self, long long key, long long count)
    @cython.locals(part=int, head=Py_ssize_t, others="long long")
    cpdef Py_ssize_t elsewhere(self, long long key) except -1
    @cython.locals(words=Words)
    cdef long long _of(self, Py_ssize_t at, long long key)
    @cython.locals(words=Words, free=Py_ssize_t, holder="long long")
    cdef _note(self, Py_ssize_t at, long long key, long long count)

cdef Py_ssize_t _bucket(Py_ssize_t head, long long key)
