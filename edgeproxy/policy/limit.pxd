# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.words cimport Words

cdef int WAYS, _PLACE, _TRIES
cdef long long _HELD

@cython.final
cdef class Limit:
    cdef readonly str name
    cdef readonly long long amount, burst, interval, tolerance, salt
    cdef readonly double period

@cython.final
cdef class LimitTable:
    cdef Words _words
    cdef Py_ssize_t _first
    cdef long long _mask

    @cython.locals(words=Words, key="long long", at=Py_ssize_t, asked="long long", full="long long", start="long long", wait="long long")
    cpdef long long take(self, long long subject, Limit limit, long long now, long long cost=*) noexcept
    @cython.locals(words=Words, key="long long", at=Py_ssize_t)
    cpdef long long level(self, long long subject, long long salt) noexcept
    @cython.locals(words=Words, key="long long", at=Py_ssize_t, before="long long")
    cpdef put(self, long long subject, long long salt, long long now, long long value)
    cdef Py_ssize_t _bucket(self, long long key) noexcept
    @cython.locals(words=Words, at=Py_ssize_t, victim=Py_ssize_t, other="long long", holder="long long", soonest="long long", full="long long")
    cdef Py_ssize_t _place(self, long long key, long long now) except -1

cdef long long _key(long long subject, long long salt) noexcept
