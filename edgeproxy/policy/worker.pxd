# Types of the compiled way; the source is the .py beside it.
cdef double FOREVER, _SLOW_START, _FIRST_SHARE, _MEMORY, _RECENT

cdef class Worker:
    cdef public str id, host
    cdef public bytes base_path, origin, line_end
    cdef public int port, slots
    cdef public double weight
    cdef public unsigned long long seed
    cdef public bint tls, named
    # routing
    cdef public int in_flight, order
    cdef public double turn
    # health
    cdef public int failures, ejections, unheard
    cdef public bint probed_down, unproven
    cdef public double left_out_until, held_until, ejected_until, recovered_at, quiet_since
    cdef public double recent_good, recent_bad, recent_at
    # what it takes
    cdef public double latency, latency_at, reported_at, reported_latency
    cdef public int reported_in_flight
    cdef public long long sent, failed
    # connections
    cdef public double idle_limit
    cdef public list idle
    cdef public object lobby

    cpdef bint available(self, double now)
    cpdef double share(self, double now)
    cpdef double expected(self, double now)
    cpdef took(self, double seconds, double now)
    cpdef begin(self, double now)
    cpdef heard(self, double now)
    cpdef succeeded(self, double now)
    cpdef count(self, bint good, double now)
    cpdef probed(self, bint alive, double now)
    cpdef saw_race(self, double idle_age)
    cpdef advertised_idle_limit(self, int seconds)
