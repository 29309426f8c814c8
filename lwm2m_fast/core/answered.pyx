# The end of a request as a tuple in the order of core/ask.py: Answered; one object per answer, and
# its parts only where there are any. Decides nothing.

from libc.stdint cimport uint8_t

from lwm2m_fast.wire.coap cimport HAS_BLOCK2, HAS_CONTENT_FORMAT


cdef str location_of(const Message *m):
    return "/".join([(<const char *>m.path[i].data)[:m.path[i].size].decode("utf-8", "replace")
                     for i in range(m.path_count)])


cdef tuple answered(const Outgoing *out, str outcome, int code, const Message *m,
                    int64_t observation):
    content_format = etag = location = None
    payload = b""
    if m == NULL:
        return (out.call, outcome, code, None, payload, None, None, observation)
    if m.options & HAS_BLOCK2 and out.body_size:
        payload = (<const char *>out.body)[:out.body_size]
        content_format = out.content_format if out.content_format >= 0 else None
    else:
        if m.payload_size:
            payload = (<const char *>m.payload)[:m.payload_size]
        if m.options & HAS_CONTENT_FORMAT:
            content_format = m.content_format
    if m.etag_size:
        etag = (<const char *>m.etag)[:m.etag_size]
    if m.path_count:
        location = location_of(m)
    return (out.call, outcome, code, content_format, payload, etag, location, observation)
