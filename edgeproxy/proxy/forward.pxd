# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.clock cimport Clock
from edgeproxy.policy.worker cimport Worker
from edgeproxy.proxy.exchange cimport Exchange, Peer
from edgeproxy.proxy.table cimport Pool

cdef class Forwarder:
    cdef object _dialer, _report
    cdef Clock _clock

    @cython.locals(pool=Pool, worker=Worker, upstream=Peer)
    cpdef start(self, Exchange exchange)
    cpdef connected(self, Exchange exchange, Peer upstream)
    cpdef succeeded(self, Exchange exchange)
    cpdef cancel(self, Exchange exchange)
    cdef _again(self, Exchange exchange, Worker worker)
    cdef Worker _release(self, Exchange exchange)
