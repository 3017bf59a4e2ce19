# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.net.connection cimport Connection
from edgeproxy.net.limits cimport Limits
from edgeproxy.policy.worker cimport Worker

cdef double FRESH_ENOUGH

cdef class PooledConnection(Connection):
    cdef public Worker worker
    cdef public double idle_since, idle_age, last_rest

    @cython.locals(worker=Worker, limits=Limits, now=double)
    cpdef rest(self)
    cpdef forget(self)

@cython.locals(idle=list, connection=PooledConnection, age=double)
cpdef PooledConnection take(Worker worker, double now, bint repeatable)
