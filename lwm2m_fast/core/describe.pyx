# A registration as Python and JSON see it. Reads records; changes nothing.

from libc.stdint cimport uint8_t

from lwm2m_fast.core.records cimport (BINDING_H, BINDING_M, BINDING_N, BINDING_Q, BINDING_S,
                                      BINDING_T, BINDING_U, ID_SIZE, Links, id_write,
                                      links_packed, record_attributes, record_endpoint)
from lwm2m_fast.core.devices cimport FOREVER
from lwm2m_fast.core.principals cimport PRINCIPAL_SIZE
from lwm2m_fast.datagram cimport addr_is_secure, addr_text, lf_addr
from lwm2m_fast.wire.link cimport (LINK_NO_VERSION, LinkObject, LinkWalk, links_begin, links_next,
                                   links_u16)

BINDINGS = ((BINDING_U, "U"), (BINDING_M, "M"), (BINDING_H, "H"), (BINDING_T, "T"),
            (BINDING_S, "S"), (BINDING_N, "N"), (BINDING_Q, "Q"))
# Attributes that have a field of their own; the rest is shown as it came.
NAMED = ("sms",)
# In the words of the Security Mode (LwM2M object 0, resource 2), by how a peer shows who it is.
MODES = {1: "PSK", 2: "X509"}


cdef str id_text(const Record *record, uint32_t shard):
    cdef uint8_t text[ID_SIZE]
    id_write(text, shard, record.slot, record.random)
    return (<const char *>text)[:ID_SIZE].decode()


cdef dict attributes_of(const Record *record):
    raw = (<const char *>record_attributes(record))[:record.attributes_size]
    attributes = {}
    for item in raw.split(b"\0"):
        if not item:                    # behind the last zero byte
            continue
        name, equals, value = item.decode("utf-8", "replace").partition("=")
        attributes[name] = value if equals else None
    return attributes


cdef dict objects_of(LinkWalk *walk):
    cdef LinkObject item
    objects = {}
    while links_next(walk, &item) > 0:
        version = None if item.major == LINK_NO_VERSION else f"{item.major}.{item.minor}"
        instances = [links_u16(item.instances, i) for i in range(item.instance_count)]
        objects[str(item.id)] = {"version": version, "instances": instances}
    return objects


cdef dict transport_of(const lf_addr *addr, object where):
    """How the device is reached. Of a secure one: where it is now, and None where it has no session."""
    if not addr_is_secure(addr):
        return {"address": addr_text(addr), "transport": "coap", "security_mode": "NO_SEC",
                "identity": None, "session": None}
    now = where((<const char *>addr.ip)[:PRINCIPAL_SIZE]) if where is not None else None
    shown = {"address": None, "transport": "coaps", "security_mode": None, "identity": None,
             "session": None}
    if now is not None:
        shown.update(
            address=now["address"],
            security_mode=MODES.get(now["kind"]),
            identity=now["identity"],
            session={name: now[name] for name in ("suite", "cid", "since", "live")})
    return shown


cdef dict describe(const Record *record, const Device *device, int64_t wall_offset, uint32_t shard,
                   object where):
    cdef LinkWalk walk
    cdef Links *links = record.links
    attributes = attributes_of(record)
    expires = None if device.expires_at == FOREVER else (device.expires_at + wall_offset) / 1000.0
    if links_begin(&walk, links_packed(links), links.packed_size) < 0:
        raise AssertionError("a link set of our own making cannot be walked")
    return {
        "endpoint": (<const char *>record_endpoint(record))[:record.endpoint_size].decode(),
        "registration_id": id_text(record, shard),
        **transport_of(&record.address, where),
        "lwm2m_version": f"{record.version >> 4}.{record.version & 15}",
        "lifetime_s": record.lifetime_s,
        "binding": "".join([letter for bit, letter in BINDINGS if record.binding & bit]),
        "queue_mode": bool(record.queue_mode),
        **{name: attributes.pop(name, None) for name in NAMED},
        "registered_at": record.registered_ms / 1000.0,
        "updated_at": (device.seen_at + wall_offset) / 1000.0,
        "expires_at": expires,
        "root": "/" + (<const char *>walk.root)[:walk.root_size].decode().lstrip("/"),
        "content_formats": [links_u16(walk.formats, i) for i in range(walk.format_count)],
        "objects": objects_of(&walk),
        "links": (<const char *>links.data)[:links.raw_size].decode("utf-8", "replace"),
        "attributes": attributes,
    }
