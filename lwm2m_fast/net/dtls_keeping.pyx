# Session rows and descriptions; see dtls_keeping.pxd.

from lwm2m_fast.datagram cimport addr_text, lf_addr
from lwm2m_fast.net.dtls_sessions cimport DtlsSessions
from lwm2m_fast.net.dtls_table cimport (
    CID_RANDOM, SESSION_LOADED, SESSION_NONE, SESSION_READY, SESSION_USES_CID,
    Session)
from lwm2m_fast.net.lf_dtls cimport LF_DTLS_MAX_BLOB
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from lwm2m_fast.net.dtls_base import SUITES, principal_of
from lwm2m_fast.net.dtls_row import SessionRow, anchor_in, unpack_who

SUITE_NAMES = tuple(SUITES)


cdef bytes who_of(const Session *slot):
    cdef uint16_t size
    memcpy(&size, slot.who, 2)
    return (<const char *>slot.who)[2:2 + size]


cdef dict describe(DtlsSessions sessions, uint32_t number):
    cdef const Session *slot = sessions.table.at(number)
    subject, _ = unpack_who(who_of(slot))
    return {
        "address": addr_text(&slot.address),
        "cid": bool(slot.flags & SESSION_USES_CID),
        "suite": SUITE_NAMES[slot.suite],
        "kind": slot.kind,
        "identity": subject.decode(errors="replace"),
        "since": float(slot.since),
        "live": slot.session != NULL,
    }


cdef bytes anchor_of(DtlsSessions sessions, uint32_t number):
    return anchor_in(who_of(sessions.table.at(number)))


cdef object give_up(DtlsSessions sessions, uint32_t number):
    cdef Session *slot = sessions.table.at(number)
    cdef int64_t quiet_s
    if slot.state != SESSION_READY or (slot.session != NULL and not sessions.save(number)):
        return None
    quiet_s = (sessions.now_ms - sessions.heard_ms(slot)) // 1000
    row = SessionRow(
        kind=slot.kind,
        cid_size=sessions.cids.size,
        uses_cid=bool(slot.flags & SESSION_USES_CID),
        number=number,
        since=slot.since,
        heard=max(0, int(sessions.wall_clock()) - quiet_s),
        suite=slot.suite,
        cid_random=(<const char *>slot.cid_random)[:CID_RANDOM],
        address=(<const char *>&slot.address)[:sizeof(lf_addr)],
        who=who_of(slot),
        blob=(<const char *>slot.blob)[:slot.blob_size],
    )
    principal = (<const char *>slot.principal)[:16]
    sessions.forget(number)
    return principal, row.pack()


cdef bint take_in(DtlsSessions sessions, bytes principal, bytes value) except -1:
    cdef bint is_in = False
    try:
        row = SessionRow.unpack(value)
        subject, names = unpack_who(row.who)
        anchor = anchor_in(row.who)
        if (principal == principal_of(row.kind, subject) and row.cid_size == sessions.cids.size
                and row.suite < len(SUITE_NAMES)
                and sessions.credentials.is_current(row.kind, subject)
                and (not anchor or sessions.credentials.has_anchor(anchor))):
            is_in = place(sessions, principal, row)
    except (ValueError, UnicodeDecodeError):
        is_in = False
    if not is_in:
        sessions.counts.not_loaded += 1
        return False
    sessions.listener.opened(principal, row.kind, subject, names)
    return True


cdef bint place(DtlsSessions sessions, bytes principal, object row) except -1:
    """Put a row back where it was, saved. False: there is no room, or its like is here already."""
    cdef const uint8_t *key = <const uint8_t *><const char *>principal
    cdef uint32_t number = row.number
    cdef bytes address = row.address, who = row.who, blob = row.blob
    cdef int64_t quiet_ms = <int64_t>(max(0.0, sessions.wall_clock() - row.heard) * 1000)
    cdef Session *slot
    if (sessions.table.of_principal(key) != <uint32_t>SESSION_NONE
            or sessions.table.ready >= sessions.most_sessions
            or quiet_ms >= sessions.timeout_ms or not 0 < len(blob) <= LF_DTLS_MAX_BLOB
            or not sessions.table.take_number(number)):
        return False
    slot = sessions.table.at(number)
    memcpy(&slot.address, <const char *>address, sizeof(lf_addr))
    memcpy(slot.cid_random, <const char *><bytes>row.cid_random, CID_RANDOM)
    try:
        sessions.note_who(slot, who)
        slot.blob = sessions.cells.take(len(blob))
        slot.blob_size = <uint16_t>len(blob)
        if slot.blob == NULL or not sessions.table.promote(number, key, row.uses_cid):
            raise MemoryError("no memory for a session of an earlier run")
    except MemoryError:
        sessions.forget(number)
        return False
    memcpy(slot.blob, <const char *>blob, len(blob))
    slot.kind, slot.suite, slot.since = row.kind, row.suite, row.since
    slot.flags |= <uint8_t>SESSION_LOADED
    slot.heard = sessions.tenths()
    sessions.schedule(number, sessions.now_ms + sessions.timeout_ms - quiet_ms)
    return True
