# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.net.edge cimport Edge
from edgeproxy.net.limits cimport Limits
from edgeproxy.proxy.exchange cimport Peer

cdef class Connection(Peer):
    cdef public Edge edge
    cdef public object transport, bulk
    cdef public bint reading, writable, closing
    cdef public double read_deadline, write_deadline, paced_from
    cdef public int watched
    cdef public long long unread, paced_bytes

    cpdef attach(self, transport)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cpdef note_unwritable(self)
    cpdef note_writable(self)
    cpdef await_reader(self)
    cpdef bint reads_on(self, double now) except -1
    cpdef begin_pace(self, long long received)
    @cython.locals(limits=Limits, due=double)
    cpdef double paced(self, double now, double idle, long long received) except? -1
    cpdef close(self)
