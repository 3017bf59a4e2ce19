# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.worker cimport Worker

cdef class RoundRobin:
    cdef Py_ssize_t _turn

    @cython.locals(count=Py_ssize_t, turn=Py_ssize_t, step=Py_ssize_t, worker=Worker)
    cpdef Worker pick(self, list workers, double now, list tried)
