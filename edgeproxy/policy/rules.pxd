# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.cors cimport Cors
from edgeproxy.policy.keys cimport Keyring

cdef class RoutePolicy:
    cdef readonly list each, together
    cdef readonly bint open
    cdef readonly int credentials, priority
    cdef readonly long long body_bytes
    cdef readonly Cors cors

cdef class Rules:
    cdef readonly Keyring keyring
    cdef readonly list limits
    cdef readonly bint spares_local, show_limits
    cdef readonly object hosts
    cdef readonly Cors cors
    cdef readonly bytes added
