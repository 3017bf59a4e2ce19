# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.clock cimport Clock
from edgeproxy.http.request cimport RequestHead
from edgeproxy.policy.address cimport Source, Sources
from edgeproxy.policy.bans cimport Bans
from edgeproxy.policy.cors cimport Cors
from edgeproxy.policy.keys cimport Caller, Keyring, bearer
from edgeproxy.policy.leases cimport Leases
from edgeproxy.policy.limit cimport Limit, LimitTable
from edgeproxy.policy.rules cimport RoutePolicy, Rules
from edgeproxy.policy.shed cimport Shed
from edgeproxy.proxy.exchange cimport Exchange, Peer
from edgeproxy.proxy.table cimport Route, Table

cdef double NANO
cdef long long EVERYBODY
cdef int APPLICATION, PASS
cdef list _RETRY_AFTER

cdef Py_ssize_t _seconds(long long wait) except -1

cdef class Guard:
    cdef Clock _clock
    cdef LimitTable _limits
    cdef Bans _bans
    cdef Leases _shared
    cdef bytes _loop
    cdef public bytes loop_line, pseudonym
    cdef public Rules rules
    cdef public Sources sources
    cdef public object tokens
    cdef public Shed shed
    cdef public dict callers

    @cython.locals(head=RequestHead, route=Route, client=Peer, rules=Rules, source=Source, now="long long")
    cpdef judge(self, Exchange exchange, Table table)
    @cython.locals(rules=Rules, policy=RoutePolicy, caller=Caller, cors=Cors)
    cdef _admit(self, Exchange exchange, Source source, long long now)
    cdef _answer_origin(self, Exchange exchange, Cors cors)
    cdef _why_not(self, Exchange exchange, Caller caller)
    @cython.locals(rules=Rules, policy=RoutePolicy, subject="long long", limits=list, limit=Limit)
    cdef _limited(self, Exchange exchange, Source source, Caller caller, long long now)
    @cython.locals(wait="long long")
    cdef bint _take(self, Exchange exchange, long long subject, Caller caller, Limit limit, long long now) except -1
    @cython.locals(client=Peer, head=RequestHead, rules=Rules, policy=RoutePolicy)
    cdef Caller _caller(self, Exchange exchange)
    cdef Caller _identify(self, Exchange exchange)
    @cython.locals(shed=Shed)
    cdef _take_on(self, Exchange exchange)
    cpdef ended(self, Exchange exchange)
    cpdef bint violated(self, Source source) except -1
