# One resource of the server, and the list of all of them at /.well-known/core.

from libc.stdint cimport uint8_t
from libc.string cimport strlen

from lwm2m_fast.wire.coap cimport HAS_ACCEPT, path_is
from lwm2m_fast.wire.numbers cimport (CONTENT, FORMAT_LINK, GET, METHOD_NOT_ALLOWED,
                                      NOT_ACCEPTABLE, NOT_FOUND)


cdef void refuse(Reply *reply, int code, const char *why) noexcept nogil:
    reply.code = code
    reply.payload = <const uint8_t *>why
    reply.payload_size = strlen(why)


cdef class Resource:
    cdef void handle(self, Request *request, Reply *reply) except *:
        raise NotImplementedError


cdef class WellKnown(Resource):
    """GET /.well-known/core (RFC 6690): what a client can find here."""

    cdef bytes links

    def __cinit__(self, bytes links):
        self.name = b".well-known"
        self.links = links

    cdef void handle(self, Request *request, Reply *reply) except *:
        if request.message.path_count != 2 or not path_is(request.message, 1, b"core", 4):
            reply.code = NOT_FOUND
        elif request.message.code != GET:
            reply.code = METHOD_NOT_ALLOWED
        elif request.message.options & HAS_ACCEPT and request.message.accept != FORMAT_LINK:
            reply.code = NOT_ACCEPTABLE
        else:
            reply.code = CONTENT
            reply.content_format = FORMAT_LINK
            reply.payload = <const uint8_t *><const char *>self.links
            reply.payload_size = len(self.links)
