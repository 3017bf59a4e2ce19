# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.clock cimport Clock
from edgeproxy.http.response cimport ResponseHead
from edgeproxy.policy.traffic cimport Traffic
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange, Peer, Waiting
from edgeproxy.proxy.table cimport Pool

cdef class Forwarder:
    cdef object _dialer, _report
    cdef readonly Clock clock
    cdef readonly Waiting waiting
    cdef readonly object counters, watch, later

    @cython.locals(pool=Pool, worker=Worker)
    cpdef start(self, Exchange exchange)
    @cython.locals(upstream=Peer)
    cpdef send(self, Exchange exchange, Pool pool, Worker worker)
    cpdef connected(self, Exchange exchange, Peer upstream)
    @cython.locals(worker=Worker, pool=Pool, seconds=double, now=double)
    cpdef answering(self, Exchange exchange, ResponseHead head)
    @cython.locals(worker=Worker)
    cpdef succeeded(self, Exchange exchange)
    cpdef cancel(self, Exchange exchange)
    cdef _again(self, Exchange exchange, Worker worker)
    @cython.locals(worker=Worker, traffic=Traffic, pool=Pool)
    cdef Worker _release(self, Exchange exchange)
