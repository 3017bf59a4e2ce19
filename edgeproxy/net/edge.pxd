# Types of the compiled way; the source is the .py beside it.
cdef class Edge:
    cdef public object loop, now, table, limits, observer, counters, dialer, forwarder, date
    cdef public bint draining
    cdef public bytes scheme
    cdef public set clients, upstreams
    cdef bytes _id_prefix
    cdef long long _ids
    cdef object _sweeper

    cpdef bytes new_request_id(self)
