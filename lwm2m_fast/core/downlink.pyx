# Block-wise transfer of our requests and of the answers to them (RFC 7959, sections 2 and 3).
#
# Reads one answer, moves the request to its next step, and says what that is. Knows no queue, no
# timer and no address. All steps of a request carry one token: small devices find their transfer
# by it (RFC 7959, section 3.4, leaves it to the client), so a late answer shows by its block number.

from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.outgoing cimport (RESTART_CHANGED, RESTART_INCOMPLETE, RESTART_SMALLER,
                                       STAGE_FETCH, STAGE_UPLOAD, STAGE_WHOLE, outgoing_keep)
from lwm2m_fast.wire.coap cimport (ACK, HAS_BLOCK1, HAS_BLOCK2, HAS_CONTENT_FORMAT, HAS_OBSERVE,
                                   HAS_SIZE1, Block, block_bytes)
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, CONTINUE, FETCH, GET, REQUEST_ENTITY_INCOMPLETE,
                                      REQUEST_ENTITY_TOO_LARGE)

cdef enum:
    RESERVED_SZX = 7
    BLOCKS_MOST = 1 << 20         # RFC 7959, section 2.2: the number has 20 bits


cdef Verdict downlink_receive(Outgoing *out, const Message *m, uint32_t max_body) noexcept:
    cdef Verdict verdict = VERDICT_ANSWERED
    if m.type != ACK and is_late(out, m):
        return VERDICT_LATE
    if out.payload != NULL and out.stage != STAGE_FETCH:
        if m.code == REQUEST_ENTITY_TOO_LARGE and take_smaller(out, m):
            return VERDICT_NEXT
        if out.stage == STAGE_UPLOAD:
            verdict = receive_upload(out, m)
    return verdict if verdict != VERDICT_ANSWERED else receive_answer(out, m, max_body)


cdef inline size_t offset_of(const Block *block) noexcept:
    return <size_t>block.number << (block.szx + 4)


cdef inline bint names_present(const Outgoing *out, const Message *m) noexcept:
    """Whether Block1 names the block in flight: by its number, or counted in smaller blocks."""
    return m.block1.number == out.sent >> (out.szx + 4) or offset_of(&m.block1) == out.sent


cdef bint is_late(const Outgoing *out, const Message *m) noexcept:
    """Whether a separate response is to an earlier step, which was answered already."""
    if out.stage == STAGE_FETCH:
        return m.code == CONTINUE or (
            m.options & HAS_BLOCK2 and offset_of(&m.block2) < out.body_size)
    if out.stage == STAGE_UPLOAD and m.options & HAS_BLOCK1 and not names_present(out, m):
        return out.restarted or offset_of(&m.block1) < out.sent
    # The fetch has just been started again, and this is a block of the old answer.
    return (out.restarted & RESTART_CHANGED and m.options & HAS_BLOCK2 and m.block2.number > 0)


# Block1: the payload on its way to the device

cdef inline void take_szx(Outgoing *out, const Message *m) noexcept:
    """A device may ask for smaller blocks in any answer (section 2.3)."""
    if m.options & HAS_BLOCK1 and m.block1.szx < out.szx:
        out.szx = m.block1.szx


cdef inline bint fits_blocks(const Outgoing *out, int szx) noexcept:
    return <size_t>out.payload.len <= BLOCKS_MOST * block_bytes(szx)


cdef bint take_smaller(Outgoing *out, const Message *m) noexcept:
    """4.13: start again once, if the device named a size that was not tried (section 2.9.3)."""
    cdef int szx = RESERVED_SZX
    if m.options & HAS_BLOCK1:
        szx = m.block1.szx
    if m.options & HAS_SIZE1 and m.size1 >= 16:
        while szx and block_bytes(szx) > m.size1:
            szx -= 1
    if (out.restarted & RESTART_SMALLER or szx >= out.szx or not fits_blocks(out, szx)
            or block_bytes(szx) >= <size_t>out.payload.len):
        return False
    out.restarted |= RESTART_SMALLER
    out.szx = <uint8_t>szx
    out.sent = 0
    out.stage = STAGE_UPLOAD
    return True


cdef Verdict receive_upload(Outgoing *out, const Message *m) noexcept:
    """The answer to one block of the payload."""
    cdef bint is_last = out.sent + out.in_flight == <size_t>out.payload.len
    if m.code == REQUEST_ENTITY_INCOMPLETE and not out.restarted & RESTART_INCOMPLETE:
        out.restarted |= RESTART_INCOMPLETE
        out.sent = 0
        take_szx(out, m)
        return VERDICT_NEXT if fits_blocks(out, out.szx) else VERDICT_ANSWERED
    if m.code >= BAD_REQUEST:
        return VERDICT_ANSWERED
    if m.options & HAS_BLOCK1:
        if m.block1.szx == RESERVED_SZX or not names_present(out, m):
            return VERDICT_MALFORMED
    elif m.code != CONTINUE and not is_last:
        return VERDICT_MALFORMED      # it took one block for the whole
    if is_last:
        return VERDICT_MALFORMED if m.code == CONTINUE else VERDICT_ANSWERED
    # 2.31, or any success when the device acts on each block by itself (section 2.3).
    out.sent += out.in_flight
    take_szx(out, m)
    return VERDICT_NEXT if fits_blocks(out, out.szx) else VERDICT_TOO_LARGE


# Block2: the answer on its way to us

cdef Verdict receive_answer(Outgoing *out, const Message *m, uint32_t max_body) noexcept:
    cdef bint is_first = out.body_size == 0
    if m.code == CONTINUE:
        return VERDICT_MALFORMED
    if is_first:
        take_first(out, m)
    if not m.options & HAS_BLOCK2 or (is_first and not m.block2.number and not m.block2.more):
        return VERDICT_ANSWERED
    if m.block2.szx == RESERVED_SZX:
        return VERDICT_MALFORMED
    if m.etag_size != out.etag_size or memcmp(m.etag, out.etag, m.etag_size):
        return fetch_again(out)
    if (offset_of(&m.block2) != out.body_size or m.code != out.answer_code
            or (m.block2.more and m.payload_size != block_bytes(m.block2.szx))):
        return VERDICT_MALFORMED
    if (out.body_size + m.payload_size > max_body
            or not outgoing_keep(out, m.payload, m.payload_size)):
        return VERDICT_TOO_LARGE
    if not m.block2.more:
        return VERDICT_ANSWERED
    out.stage = STAGE_FETCH
    out.answer_szx = m.block2.szx
    return VERDICT_NEXT


cdef void take_first(Outgoing *out, const Message *m) noexcept:
    """What counts for all blocks."""
    out.answer_code = m.code
    out.content_format = m.content_format if m.options & HAS_CONTENT_FORMAT else -1
    out.etag_size = m.etag_size
    memcpy(out.etag, m.etag, m.etag_size)
    if not out.restarted & RESTART_CHANGED:
        out.observe = <int>m.observe if m.options & HAS_OBSERVE else -1


cdef Verdict fetch_again(Outgoing *out) noexcept:
    """The answer changed while it was fetched (section 2.4): once more from its beginning.

    Only what is safe to ask twice (RFC 7252, section 5.1; RFC 8132, section 2).
    """
    if out.restarted & RESTART_CHANGED or out.method not in (GET, FETCH):
        return VERDICT_MALFORMED
    out.restarted |= RESTART_CHANGED
    out.body_size = 0
    out.sent = 0
    out.stage = STAGE_WHOLE
    if out.payload != NULL and <size_t>out.payload.len > block_bytes(out.szx):
        out.stage = STAGE_UPLOAD
    return VERDICT_NEXT
