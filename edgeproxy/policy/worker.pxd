# Types of the compiled way; the source is the .py beside it.
cdef class Worker:
    cdef public str id, host
    cdef public bytes base_path, origin, line_end
    cdef public int port, failures, in_flight
    cdef public bint tls, probed_down, named
    cdef public double left_out_until, idle_limit
    cdef public list idle

    cpdef bint available(self, double now)
    cpdef succeeded(self)
    cpdef failed(self, double now)
    cpdef probed(self, bint alive)
    cpdef saw_race(self, double idle_age)
    cpdef advertised_idle_limit(self, int seconds)
