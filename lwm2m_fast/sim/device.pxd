# One simulated device, packed: everything it remembers, and no Python object.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LOCATION_BYTES = 48           # Uri-Path options of a registration; a longer one is refused
    HEARD = 4                     # message ids of the server that are remembered

# Where a device stands with its server.
cdef enum State:
    STATE_NEW = 0                 # has not had the result of its first Register
    STATE_REGISTERED
    STATE_OUT                     # refused, forgotten by the server, or not answered
    STATE_GONE                    # has de-registered and stays silent
    STATES

# What a device asks of the server.
cdef enum Request:
    REQUEST_NONE = 0
    REQUEST_REGISTER
    REQUEST_UPDATE
    REQUEST_DEREGISTER
    REQUEST_PING
    REQUEST_SEND
    REQUESTS

# What makes a device different from all others; Python attends to what follows from it.
cdef enum Flag:
    FLAG_TOUCHED = 1              # a value, an instance or an attribute is its own
    FLAG_OBSERVED = 2             # its server observes something
    FLAG_LINKS = 4                # its object list is its own: Register tells that one
    FLAG_NEWS = 8                 # the next Update tells the object list or the lifetime
    FLAG_LIFETIME = 16            # its lifetime is its own
    FLAG_TELLING = 32             # the Update under way tells the news
    FLAG_ANEW = 64                # it has given its secure session up
    FLAG_BLANK = 128              # it has forgotten its secure session

cdef struct Device:
    int64_t sent_at               # first transmission of the request under way, ns
    int64_t active_at             # the last datagram of a device that sleeps, ns
    int64_t contact_at            # when the next Update is due, ns
    uint32_t token                # of the request under way
    uint16_t mid                  # the last message id taken
    uint16_t awaited              # message id of the request under way
    uint8_t state
    uint8_t request               # REQUEST_NONE = nothing under way
    uint8_t tries                 # retransmissions of the request under way
    uint8_t acked                 # its empty ACK has come; a separate response will follow
    uint8_t failures              # in a row
    uint8_t location_size
    uint8_t flags
    uint8_t block                 # of a Register or Update too long for one datagram
    uint8_t heard_next
    uint8_t heard_count
    uint8_t location[LOCATION_BYTES]
    uint16_t heard_mid[HEARD]
    uint32_t heard_second[HEARD]  # when it was answered: the same second gives the same answer
    # The block-wise answer under way: later blocks are cut from the answer of that second.
    uint64_t block_key
    uint32_t block_second
    uint16_t block_format


cdef inline uint64_t mixed(uint64_t value) noexcept nogil:
    """The finaliser of splitmix64: every input bit reaches every output bit."""
    value = (value ^ value >> 30) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ value >> 27) * <uint64_t>0x94D049BB133111EB
    return value ^ value >> 31


cdef inline int heard_at(const Device *device, int mid) noexcept nogil:
    """Where `mid` is remembered; -1 = it is not."""
    cdef int i
    for i in range(device.heard_count):
        if device.heard_mid[i] == mid:
            return i
    return -1


cdef inline void remember(Device *device, int mid, uint32_t second) noexcept nogil:
    """In place of the oldest."""
    device.heard_mid[device.heard_next] = <uint16_t>mid
    device.heard_second[device.heard_next] = second
    device.heard_next = (device.heard_next + 1) % HEARD
    if device.heard_count < HEARD:
        device.heard_count += 1
