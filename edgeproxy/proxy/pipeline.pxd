# Types of the compiled way; the source is the .py beside it.
from edgeproxy.proxy.exchange cimport Exchange
from edgeproxy.proxy.table cimport Table

cpdef object guard(Exchange exchange, Table table)
