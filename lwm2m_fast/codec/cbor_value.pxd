# One value in CBOR (content format 60), in the forms that nearly all devices use.

from lwm2m_fast.codec.pack cimport Pack
from lwm2m_fast.codec.path cimport Path, as_path
from lwm2m_fast.codec.types cimport Types, as_types


# The value at `path`; None when it is in another form, or wrong: then ask cbor.decode().
cdef Pack read_plain(bytes payload, Path path, Types types)
