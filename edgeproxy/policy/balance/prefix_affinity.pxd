# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.policy.balance.base cimport Strategy
from edgeproxy.policy.hashing cimport mix
from edgeproxy.policy.worker cimport Worker

cdef double _WHOLE
cdef Py_ssize_t _FEW, _SETS, _WAYS, _DEPTH, _REFRESH

cdef class Ranks:
    cdef unsigned long long[::1] _keys
    cdef int[::1] _best
    cdef list _workers

    @cython.locals(at=Py_ssize_t, first=Py_ssize_t)
    cdef Py_ssize_t find(self, list workers, unsigned long long key)
    @cython.locals(at=Py_ssize_t, depth=Py_ssize_t)
    cdef _make_room(self, Py_ssize_t first)
    @cython.locals(worker=Worker, rank=double, index=Py_ssize_t, place=Py_ssize_t)
    cdef _rank(self, list workers, unsigned long long key, Py_ssize_t at)
    cdef int best(self, Py_ssize_t at)

cdef class Rendezvous(Strategy):
    cdef Strategy _others
    cdef Ranks _ranks
    cdef double _bound, _limit
    cdef Py_ssize_t _picks

    cpdef Worker pick(self, list workers, double now, list tried, unsigned long long key=*)
    @cython.locals(worker=Worker, best=Worker, rank=double, highest=double)
    cdef Worker _of_few(self, list workers, double now, list tried, unsigned long long key)
    @cython.locals(worker=Worker, at=Py_ssize_t, depth=Py_ssize_t)
    cdef Worker _of_many(self, list workers, double now, list tried, unsigned long long key)
    cdef bint _fits(self, Worker worker, double now, list tried)

@cython.locals(rank=double)
cdef double _rank_of(Worker worker, unsigned long long key)

@cython.locals(worker=Worker, flying="long long", weight=double)
cdef double _share(list workers)
