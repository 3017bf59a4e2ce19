# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.hashing cimport Dice
from edgeproxy.policy.worker cimport Worker

cdef Py_ssize_t _FULL_SCAN

cdef class Strategy:
    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)

cdef class Cheapest(Strategy):
    cdef Dice _dice
    cdef Py_ssize_t _start, _choices

    @cython.locals(count=Py_ssize_t)
    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)
    cdef double cost(self, Worker worker, double now) except? -1
    @cython.locals(count=Py_ssize_t, at=Py_ssize_t, step=Py_ssize_t, worker=Worker, best=Worker, least=double, cost=double)
    cdef Worker _of_all(self, list workers, double now, list tried)
    @cython.locals(count=Py_ssize_t, seen=Py_ssize_t, draw=Py_ssize_t, worker=Worker, best=Worker, least=double, cost=double)
    cdef Worker _of_some(self, list workers, double now, list tried)
