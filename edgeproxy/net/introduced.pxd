# Types of the compiled way; the source is the .py beside it.
from edgeproxy.net.upload cimport UploadingConnection

cdef class IntroducedConnection(UploadingConnection):
    cdef public bint arrived, fresh
