# Types of the compiled way; the source is the .py beside it.
cdef double FOREVER, _STEP, P95, _SHORTEST, _HEDGE_SHARE, _HEDGE_BURST
cdef int _ENOUGH

cdef class Traffic:
    cdef public int in_flight, retrying
    cdef public double p95, worst, worst_at
    cdef public long long answers
    cdef public object queue
    cdef public double hedges
    cdef public int queue_limit
    cdef public double queue_seconds

    cpdef answered(self, double seconds, double now)
    cpdef double hedge_after(self)
    cpdef double silent_after(self)
