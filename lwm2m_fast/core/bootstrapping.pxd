# The resources of a bootstrap server (LwM2M TS 1.2 Core, section 6.1).

from lwm2m_fast.core.exchange cimport Reply, Request
from lwm2m_fast.core.params cimport Params
from lwm2m_fast.core.records cimport Links
from lwm2m_fast.core.registration cimport Registration
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport State


cdef class Bootstrapping(Registration):
    cdef void begin(self, Request *request, Reply *reply) except *
    cdef Links *no_links(self) except? NULL


cdef class BootstrapPack(Resource):
    cdef State state
    cdef bytes answer             # of the last request: a reply only points to its payload
