# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.address cimport Source
from edgeproxy.policy.keys cimport Caller
from edgeproxy.policy.limit cimport Limit

cdef class Lease:
    cdef public str label
    cdef public Limit limit
    cdef public long long batch, tokens, refused_until, used
    cdef public bint pending

cdef class Leases:
    cdef object _ask
    cdef dict _leases

    @cython.locals(key="long long", lease=Lease)
    cpdef long long take(self, long long subject, Source source, Caller caller, Limit limit, long long now) except? -9
