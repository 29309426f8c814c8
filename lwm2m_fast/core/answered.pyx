# The end of a request as a tuple in the order of core/ask.py: Answered, or in fields; one object per
# answer, and its parts only where there are any. Decides nothing.

from lwm2m_fast.core.named cimport named_new, named_set
from lwm2m_fast.wire.coap cimport HAS_BLOCK2, HAS_CONTENT_FORMAT


cdef str location_of(const Message *m):
    return "/".join([(<const char *>m.path[i].data)[:m.path[i].size].decode("utf-8", "replace")
                     for i in range(m.path_count)])


cdef class Answer:
    """One answer, used again for the next once it has been read."""

    cdef int take(self, const Outgoing *out, str outcome, int code, const Message *m) except -1:
        self.call = out.call
        self.outcome = outcome
        self.code = code
        self.content_format = -1
        self.payload = b""
        self.etag = self.location = None
        if m == NULL:
            return 0
        if m.options & HAS_BLOCK2 and out.body_size:
            self.payload = (<const char *>out.body)[:out.body_size]
            self.content_format = out.content_format
        else:
            if m.payload_size:
                self.payload = (<const char *>m.payload)[:m.payload_size]
            if m.options & HAS_CONTENT_FORMAT:
                self.content_format = m.content_format
        if m.etag_size:
            self.etag = (<const char *>m.etag)[:m.etag_size]
        if m.path_count:
            self.location = location_of(m)
        return 0

    cdef object format_or_none(self):
        return self.content_format if self.content_format >= 0 else None

    cdef object named(self, object kind):
        cdef object call = self.call, code = self.code, observation = 0
        cdef object content_format = self.format_or_none()
        cdef object made = named_new(kind, 8)
        named_set(made, 0, call)
        named_set(made, 1, self.outcome)
        named_set(made, 2, code)
        named_set(made, 3, content_format)
        named_set(made, 4, self.payload)
        named_set(made, 5, self.etag)
        named_set(made, 6, self.location)
        named_set(made, 7, observation)
        return made


cdef tuple answered(const Outgoing *out, str outcome, int code, const Message *m,
                    int64_t observation):
    cdef Answer read = Answer.__new__(Answer)
    read.take(out, outcome, code, m)
    return (read.call, outcome, code, read.format_or_none(), read.payload, read.etag,
            read.location, observation)
