# Types of the compiled way; the source is the .py beside it.
cimport cython

from edgeproxy.cache.store cimport Entry, Store
from edgeproxy.http.framing cimport content_length
from edgeproxy.http.request cimport RequestHead
from edgeproxy.policy.freshness cimport Asked, asked_by, fresh, unchanged
from edgeproxy.proxy.exchange cimport Exchange

cdef long long NO_BODY
cdef dict STATUS_LINES
cdef bytes _STATUS, VIA

cpdef object consult(Store store, Exchange exchange, double now)
@cython.locals(head=RequestHead, asked=Asked, entry=Entry, key=bytes, lines=bytes)
cdef object _look_up(Store store, Exchange exchange, double now)
@cython.locals(head=RequestHead, site=bytes)
cpdef bytes key_of(Exchange exchange)
@cython.locals(asked=Asked, known=bint, age="long long", begin=bytes, body=bytes, large=bint, answer=bytes)
cpdef tuple stored_answer(Entry entry, Exchange exchange, double now)
@cython.locals(length=bytes, told=bytes)
cdef bytes _beginning(Entry entry, long long age, int status)
cdef bytes _connection(Exchange exchange)
