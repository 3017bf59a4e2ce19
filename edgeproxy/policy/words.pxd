cimport cython

# Types of the compiled way; the source is the .py beside it.
cdef extern from *:
    """
    /* C11's operations by the names that GCC and Clang give them in C99 too. */
    static inline int edge_swap(PY_LONG_LONG *word, PY_LONG_LONG expected, PY_LONG_LONG wanted) {
        return __atomic_compare_exchange_n(word, &expected, wanted, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    static inline PY_LONG_LONG edge_read(PY_LONG_LONG *word) {
        return __atomic_load_n(word, __ATOMIC_ACQUIRE);
    }
    """
    bint edge_swap(long long *word, long long expected, long long wanted)
    long long edge_read(long long *word)

cdef int COMPILED

cdef inline long long *word_base(long long[::1] view) noexcept:
    return &view[0]

@cython.final
cdef class Words:
    cdef int _fd
    cdef object _memory
    cdef long long[::1] view
    cdef long long *base

    cpdef long long load(self, Py_ssize_t at) noexcept
    cpdef bint swap(self, Py_ssize_t at, long long expected, long long wanted) except -1

cdef inline long long word_load(Words words, Py_ssize_t at) noexcept:
    return edge_read(words.base + at)

cdef inline bint word_swap(Words words, Py_ssize_t at, long long expected, long long wanted) noexcept:
    return edge_swap(words.base + at, expected, wanted)
