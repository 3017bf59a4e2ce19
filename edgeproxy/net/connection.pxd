# Types of the compiled way; the source is the .py beside it.
from edgeproxy.net.edge cimport Edge

from edgeproxy.proxy.exchange cimport Peer

cdef class Connection(Peer):
    cdef public Edge edge
    cdef public object transport, bulk
    cdef public bint reading, writable, closing
    cdef public double read_deadline, write_deadline

    cpdef attach(self, transport)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cpdef note_unwritable(self)
    cpdef note_writable(self)
    cpdef close(self)
