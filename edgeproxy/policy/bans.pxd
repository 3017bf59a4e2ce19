# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.address cimport Source
from edgeproxy.policy.limit cimport Limit, LimitTable
from edgeproxy.policy.words cimport Words

@cython.final
cdef class Bans:
    cdef LimitTable _table
    cdef Words _words
    cdef Py_ssize_t _horizon
    cdef long long _first
    cdef readonly Limit meter

    cpdef bint hold(self, Source source, long long now) except -1
    cpdef bint violated(self, Source source, long long now) except -1
