# A registration as Python and JSON see it. Called when somebody asks, never per datagram.

from libc.stdint cimport int64_t, uint32_t

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.records cimport Record

cdef dict describe(const Record *record, const Device *device, int64_t wall_offset, uint32_t shard,
                   object where)
cdef str id_text(const Record *record, uint32_t shard)
cdef dict attributes_of(const Record *record)      # further query parameters, None without a value
