# distutils: sources = csrc/lf_dtls.c csrc/lf_dtls_context.c csrc/lf_dtls_hello.c csrc/lf_dtls_resume.c csrc/lf_dtls_save.c csrc/lf_dtls_why.c
#
# Secure sessions beneath a fleet (DTLS 1.2): a client session of csrc/lf_dtls per device.
#
# A device that has something to send and no session begins a handshake; its request waits and is sent
# for the first time when the handshake is over, so handshakes keep the pace of the fleet's
# requests. A session that was used long ago becomes its bytes when too many are live. Datagrams and
# moments in, datagrams out: knows no socket and no clock, and of CoAP that a request can wait.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net.lf_dtls cimport (LF_DTLS_ALL_SUITES, LF_DTLS_CLOSED, LF_DTLS_ECDSA_AES128_CBC,
                                     LF_DTLS_ECDSA_AES128_CCM8, LF_DTLS_ECDSA_AES128_GCM,
                                     LF_DTLS_PSK_AES128_CBC, LF_DTLS_PSK_AES128_CCM8,
                                     LF_DTLS_PSK_AES128_GCM, LF_DTLS_DATA, LF_DTLS_FAILED,
                                     LF_DTLS_MAX_BLOB, LF_DTLS_MAX_PLAIN, LF_DTLS_READY,
                                     lf_dtls_close, lf_dtls_connect, lf_dtls_context,
                                     lf_dtls_context_new, lf_dtls_context_release, lf_dtls_due,
                                     lf_dtls_event, lf_dtls_free, lf_dtls_handle_timeout,
                                     lf_dtls_hooks, lf_dtls_load,
                                     lf_dtls_open, lf_dtls_options, lf_dtls_read_more,
                                     lf_dtls_recall, lf_dtls_receive,
                                     lf_dtls_remember, lf_dtls_save,
                                     lf_dtls_session, lf_dtls_suite, lf_dtls_suites, lf_dtls_user,
                                     lf_dtls_uses_cid, lf_dtls_was_resumed, lf_dtls_why, lf_dtls_write)
from lwm2m_fast.sim.departures cimport Departures, room
from lwm2m_fast.sim.device cimport FLAG_ANEW, FLAG_BLANK, mixed
from lwm2m_fast.sim.exchanges cimport MAX_DUE
from lwm2m_fast.sim.fleet cimport Fleet
from lwm2m_fast.sim.histogram cimport Histogram
from lwm2m_fast.sim.identities import Identity
from lwm2m_fast.sim.layer cimport Receiver
from lwm2m_fast.sim.recent cimport enter, leave, recent_over
from lwm2m_fast.sim.wheel cimport Wheel

cdef enum:
    MILLISECOND = 1000000
    SPARE = 8                     # datagrams that the answer to one may need
    SAVE_ATTEMPTS = 8             # sessions looked at for one that can be saved
    WHY_BYTES = 256
    MTU = 1280
    PSK_SUITES = LF_DTLS_PSK_AES128_CCM8 | LF_DTLS_PSK_AES128_GCM | LF_DTLS_PSK_AES128_CBC
    X509_SUITES = LF_DTLS_ECDSA_AES128_CCM8 | LF_DTLS_ECDSA_AES128_GCM | LF_DTLS_ECDSA_AES128_CBC

SUITES = lf_dtls_suites()


cdef void send_hook(void *owner, lf_dtls_session *session, const uint8_t *datagram,
                    size_t size) noexcept nogil:
    # What finds no room is lost like any datagram.
    (<Dtls>owner).out.put(<uint32_t><uintptr_t>lf_dtls_user(session), datagram, size)


cdef uint32_t verify_hook(void *owner, lf_dtls_session *session, const uint8_t *leaf_der,
                          size_t size, uint32_t flags) noexcept nogil:
    # A server that is known by its certificate needs nobody who vouches for it.
    with gil:
        try:
            dtls = <Dtls>owner
            number = dtls.fleet.number(<uint32_t><uintptr_t>lf_dtls_user(session))
            if dtls.identify(number).pinned == (<const char *>leaf_der)[:size]:
                return 0
        except Exception:                       # nobody to tell: it is not accepted
            pass
        return flags                            # without anchors that is always something


cdef class Dtls(Layer):
    """The sessions of `fleet`.

    `identify(number)` gives the Psk or Certificate (sim/identities.py) of the device with this
    number, asked at each handshake. `suites` are LF_DTLS_* bits. `cid_size` is the length of the
    devices' own connection ids, 0 to 16; -1 = they do not offer the extension. The handshake's
    timer begins at `retransmit_first_s` and doubles up to `retransmit_most_s`. At most `most_live`
    sessions keep their buffers (5 KiB each). `resumes`: a session that ended is resumed.
    ConfigError when no session can be made of this.
    """

    def __init__(self, Fleet fleet not None, identify, *, uint32_t suites=LF_DTLS_ALL_SUITES,
                 int cid_size=-1, double retransmit_first_s=1.0, double retransmit_most_s=16.0,
                 uint32_t most_live=16384, bint resumes=True, int64_t now_ns=0, uint64_t seed=0):
        if self.devices != NULL:
            raise RuntimeError("sessions are set up once")
        self.fleet = fleet
        self.identify = identify
        self.resumes = resumes
        self.most_live = max(most_live, 1)
        self.random_state = seed
        self.patience_ns = 20 * MILLISECOND
        self.failures = {}
        self.handshake = Histogram()
        self.wheel = Wheel(fleet.size, now_ns)
        self.devices = <Secured *>calloc(fleet.size or 1, sizeof(Secured))
        if self.devices == NULL:
            raise MemoryError(f"{fleet.size} sessions do not fit into memory")
        self.recent = recent_over(&self.devices[0].place, sizeof(Secured))
        memset(&self.options, 0, sizeof(self.options))
        self.options.is_client = True
        self.options.suites = suites
        self.options.cid_size = cid_size
        self.options.retransmit_first_ms = <uint32_t>(retransmit_first_s * 1000)
        self.options.retransmit_most_ms = <uint32_t>(retransmit_most_s * 1000)
        self.options.mtu = MTU
        # What was saved needs no credentials any more, but lf_dtls wants some.
        self.saver = self.new_context(Identity(b"saved", b"saved"), suites)
        # Whatever is wrong with the credentials shows here, not in the middle of a run.
        if fleet.size:
            self.context_for(identify(fleet.number(0)))

    def __dealloc__(self):
        cdef uint32_t key
        if self.devices != NULL:
            for key in range(self.size):
                if self.devices[key].session != NULL:
                    lf_dtls_free(self.devices[key].session)
                free(self.devices[key].saved)
                free(self.devices[key].ticket)
        free(self.devices)
        lf_dtls_context_release(self.context)
        lf_dtls_context_release(self.saver)

    # Sessions.

    cdef lf_dtls_context *context_for(self, identity) except NULL:
        """A context with these credentials; the caller does not own it."""
        cdef lf_dtls_context *made
        if identity is not self.identity:       # of a fleet that shares one, or a second attempt
            made = self.new_context(identity, PSK_SUITES if identity.psk else X509_SUITES)
            lf_dtls_context_release(self.context)
            self.context, self.identity = made, identity
        return self.context

    cdef lf_dtls_context *new_context(self, identity, uint32_t suites) except NULL:
        cdef lf_dtls_hooks hooks
        cdef lf_dtls_options options = self.options
        cdef lf_dtls_context *made
        cdef char why[WHY_BYTES]
        memset(&hooks, 0, sizeof(hooks))
        hooks.owner = <void *>self
        hooks.send = send_hook
        if identity.pinned:
            hooks.verify = verify_hook
        options.suites &= suites
        fill(&options, identity)
        why[0] = 0
        made = lf_dtls_context_new(&options, &hooks, why, WHY_BYTES)
        if made == NULL:
            raise ConfigError(f"DTLS: {(<bytes>why).decode('utf-8', 'replace')}")
        return made

    cdef void begin(self, uint32_t key, int64_t now) noexcept nogil:
        """A handshake of a device without a session."""
        cdef Secured *device = &self.devices[key]
        cdef lf_dtls_session *session
        self.make_room()
        with gil:
            try:
                session = self.open(key, now)
            except BaseException as error:
                self.note_fault(error)
                return
        self.counts.handshakes += 1
        self.live += 1
        device.session = session
        device.stage = STAGE_HANDSHAKE
        device.began_at = now
        if device.ticket != NULL:
            lf_dtls_recall(session, device.ticket, device.ticket_size)
        self.handle(key, lf_dtls_connect(session, now // MILLISECOND), 0, now)

    cdef lf_dtls_session *open(self, uint32_t key, int64_t now):
        cdef uint64_t cid[2]
        cdef lf_dtls_session *session
        cdef lf_dtls_context *context = self.context_for(self.identify(self.fleet.number(key)))
        for i in range(2):
            self.random_state += <uint64_t>0x9E3779B97F4A7C15
            cid[i] = mixed(self.random_state)
        session = lf_dtls_open(context, <void *><uintptr_t>key, <const uint8_t *>cid,
                               now // MILLISECOND)
        if session == NULL:
            raise MemoryError(f"no memory for session {self.live + 1}")
        return session

    cdef lf_dtls_session *wake(self, uint32_t key, int64_t now) noexcept nogil:
        """The live session of a device; NULL when it has none."""
        cdef Secured *device = &self.devices[key]
        if device.stage == STAGE_READY:
            leave(&self.recent, key)
            enter(&self.recent, key)
            if self.live > self.most_live:      # handshakes can be saved only when they are over
                self.make_room()
        elif device.stage == STAGE_SAVED:
            self.make_room()
            device.session = lf_dtls_load(self.saver, <void *><uintptr_t>key, device.saved,
                                          device.saved_size, 0, now // MILLISECOND)
            free(device.saved)
            device.saved = NULL
            device.stage = STAGE_NONE
            if device.session != NULL:
                device.stage = STAGE_READY
                self.counts.woken += 1
                self.live += 1
                enter(&self.recent, key)
        return device.session

    cdef void make_room(self) noexcept nogil:
        """One session more may be live: the one that was used longest ago is saved."""
        cdef int attempt
        cdef uint32_t key
        if self.live < self.most_live:
            return
        for attempt in range(SAVE_ATTEMPTS):
            key = self.recent.oldest
            if key == self.recent.newest or self.save(key):
                return                          # the newest is being used
            leave(&self.recent, key)
            enter(&self.recent, key)            # not quiet, or of a suite that cannot be saved

    cdef bint save(self, uint32_t key) noexcept nogil:
        cdef Secured *device = &self.devices[key]
        cdef uint8_t blob[LF_DTLS_MAX_BLOB]
        cdef uint8_t *kept = <uint8_t *>malloc(LF_DTLS_MAX_BLOB)
        cdef size_t size
        if kept == NULL:
            return False
        size = lf_dtls_save(device.session, blob, LF_DTLS_MAX_BLOB)
        if size == 0:
            free(kept)
            return False
        memcpy(kept, blob, size)
        memset(blob, 0, size)
        device.saved = shrunk(kept, size)
        device.saved_size = <uint16_t>size
        device.session = NULL
        device.stage = STAGE_SAVED
        leave(&self.recent, key)
        self.live -= 1
        self.counts.saved += 1
        return True

    cdef void drop(self, uint32_t key) noexcept nogil:
        """The session is over, and no one is told."""
        cdef Secured *device = &self.devices[key]
        if device.stage == STAGE_READY:
            leave(&self.recent, key)
        if device.session != NULL:
            lf_dtls_free(device.session)
            self.live -= 1
        free(device.saved)
        device.session = NULL
        device.saved = NULL
        device.stage = STAGE_NONE
        self.wheel.cancel(key)

    cdef void keep_ticket(self, uint32_t key, int64_t now) noexcept nogil:
        """What the next handshake needs to resume the session of now (RFC 5246, section 7.3)."""
        cdef Secured *device = &self.devices[key]
        cdef uint8_t ticket[LF_DTLS_MAX_BLOB]
        cdef size_t size
        if not self.resumes or device.stage < STAGE_READY or self.wake(key, now) == NULL:
            return
        size = lf_dtls_remember(device.session, ticket, LF_DTLS_MAX_BLOB)
        self.forget_ticket(key)
        if size:
            device.ticket = <uint8_t *>malloc(size)
        if device.ticket != NULL:
            memcpy(device.ticket, ticket, size)
            device.ticket_size = <uint16_t>size
        memset(ticket, 0, size)

    cdef void forget_ticket(self, uint32_t key) noexcept nogil:
        free(self.devices[key].ticket)
        self.devices[key].ticket = NULL

    # What leaves.

    cdef int take(self, Departures leaving, int first, int64_t now) noexcept nogil:
        cdef int i
        for i in range(first, leaving.count):
            if room(self.out) < SPARE:
                return i
            self.seal(leaving.entries[i].device, leaving.arena + leaving.entries[i].offset,
                      leaving.entries[i].size, now)
        return leaving.count

    cdef void seal(self, uint32_t key, const uint8_t *data, size_t size,
                   int64_t now) noexcept nogil:
        """One datagram of a device into a record, or a handshake in its place."""
        cdef uint8_t *flags = &self.fleet.devices[key].flags
        cdef lf_dtls_session *session = NULL
        if flags[0] & (FLAG_ANEW | FLAG_BLANK):
            if flags[0] & FLAG_BLANK:
                self.forget_ticket(key)
            else:
                self.keep_ticket(key, now)
            flags[0] &= <uint8_t>~(FLAG_ANEW | FLAG_BLANK)
            self.drop(key)
        if self.devices[key].stage >= STAGE_READY:
            session = self.wake(key, now)
        if session == NULL:
            self.counts.insecure += 1
            self.fleet.hold(key)
            if self.devices[key].stage == STAGE_NONE:
                self.begin(key, now)
            return
        size = lf_dtls_write(session, data, size, self.record) if size <= LF_DTLS_MAX_PLAIN else 0
        if size == 0 or not self.out.put(key, self.record, size):
            self.counts.unsent += 1

    # What arrives.

    cdef void receive(self, uint32_t key, const uint8_t *data, size_t size,
                      int64_t now) noexcept nogil:
        cdef lf_dtls_session *session
        cdef lf_dtls_event event
        cdef size_t plain_size = 0
        self.counts.received += 1
        session = (self.devices[key].session if self.devices[key].stage == STAGE_HANDSHAKE
                   else self.wake(key, now))
        if session == NULL:
            self.counts.unasked += 1
            return
        event = lf_dtls_receive(session, data, size, now // MILLISECOND, self.plain, &plain_size,
                                NULL)
        self.handle(key, event, plain_size, now)

    cdef void handle(self, uint32_t key, lf_dtls_event event, size_t size,
                     int64_t now) noexcept nogil:
        """What a session has just said of itself."""
        while event == LF_DTLS_DATA or event == LF_DTLS_READY:
            if event == LF_DTLS_READY:
                self.ready(key, now)
            else:
                self.above.receive(key, self.plain, size, now)
            event = lf_dtls_read_more(self.devices[key].session, self.plain, &size)
        if event == LF_DTLS_CLOSED:
            self.counts.closed += 1
            self.keep_ticket(key, now)
            self.drop(key)
        elif event == LF_DTLS_FAILED:
            self.failed(key, now)
        elif self.devices[key].stage == STAGE_HANDSHAKE:
            self.arm(key)

    cdef void ready(self, uint32_t key, int64_t now) noexcept nogil:
        cdef Secured *device = &self.devices[key]
        if device.stage != STAGE_HANDSHAKE:
            return
        device.stage = STAGE_READY
        enter(&self.recent, key)
        self.forget_ticket(key)
        self.counts.secured += 1
        self.counts.resumed += lf_dtls_was_resumed(device.session)
        self.handshake.record(now - device.began_at)
        self.wheel.cancel(key)
        self.fleet.go_on(key, now)

    cdef void failed(self, uint32_t key, int64_t now) noexcept nogil:
        """The next attempt is a handshake without a resumption."""
        with gil:
            try:
                why = (<bytes>lf_dtls_why(self.devices[key].session)).decode("utf-8", "replace")
                self.failures[why] = self.failures.get(why, 0) + 1
            except BaseException as error:
                self.note_fault(error)
        self.drop(key)
        self.forget_ticket(key)
        self.fleet.give_up(key, now)

    # What time does.

    cdef void arm(self, uint32_t key) noexcept nogil:
        cdef int64_t due = lf_dtls_due(self.devices[key].session)
        if due < 0:
            self.wheel.cancel(key)
        else:
            self.wheel.schedule(key, due * MILLISECOND)

    cdef void turn(self, int64_t now) noexcept nogil:
        cdef uint32_t keys[MAX_DUE]
        cdef int limit = room(self.out) // SPARE, count, i
        count = self.wheel.advance(now, keys, MAX_DUE if limit > MAX_DUE else limit)
        for i in range(count):
            if self.devices[keys[i]].session != NULL:
                self.handle(keys[i], lf_dtls_handle_timeout(
                    self.devices[keys[i]].session, now // MILLISECOND), 0, now)

    # The Python edge.

    def receive_datagram(self, uint32_t device, bytes datagram not None, int64_t now_ns):
        """Take what the server sent to `device` (counted from 0)."""
        if device >= self.size:
            raise IndexError(f"device {device} of {self.size}")
        self.receive(device, <const uint8_t *><const char *>datagram, len(datagram), now_ns)
        self.raise_fault()
        self.fleet.raise_fault()

    def handle_turn(self, int64_t now_ns):
        """Work off what is due, here and in the fleet."""
        self.turned_at = now_ns
        self.turn(now_ns)
        self.fleet.handle_turn(now_ns)
        self.raise_fault()

    def take_output(self):
        """[(device, datagram)] that wait to leave; they leave once."""
        cdef Departures leaving = self.fleet.out
        cdef int first = 0
        taken = self.out.take()
        while first < leaving.count:
            first = self.take(leaving, first, self.turned_at)
            taken += self.out.take()
        leaving.clear()
        self.raise_fault()
        return taken

    def close_some(self, int64_t now_ns):
        """close_notify of as many sessions as find room in `out`; how many that were."""
        cdef uint32_t key
        cdef size_t size
        closed = 0
        for key in range(self.size):
            if room(self.out) == 0:
                break
            if self.devices[key].stage < STAGE_READY or self.wake(key, now_ns) == NULL:
                continue
            size = lf_dtls_close(self.devices[key].session, self.record)
            if size:
                self.out.put(key, self.record, size)
            self.drop(key)
            closed += 1
        return closed

    def is_ready(self, uint32_t device):
        """Whether the device has a session that can carry records."""
        return device < self.size and self.devices[device].stage >= STAGE_READY

    def shown(self, uint32_t device):
        """{"suite", "cid"} of a live session; None when there is none."""
        if device >= self.size or self.devices[device].stage != STAGE_READY:
            return None
        session = self.devices[device].session
        return {"suite": lf_dtls_suite(session).decode(), "cid": bool(lf_dtls_uses_cid(session))}

    def counters(self):
        """Every counter since the start, by name."""
        return {**self.counts, "live": self.live, "failed": sum(self.failures.values())}


cdef uint8_t *shrunk(uint8_t *data, size_t size) noexcept nogil:
    """The same bytes in as little memory."""
    cdef uint8_t *less = <uint8_t *>malloc(size)
    if less == NULL:
        return data
    memcpy(less, data, size)
    memset(data, 0, size)
    free(data)
    return less


cdef fill(lf_dtls_options *options, identity):
    """The credentials as lf_dtls wants them; they are the identity's own bytes."""
    options.identity, options.identity_size = octets(identity.name), len(identity.name)
    options.psk, options.psk_size = octets(identity.psk), len(identity.psk)
    options.chain, options.chain_size = octets(identity.chain), len(identity.chain)
    options.key, options.key_size = octets(identity.key), len(identity.key)
    options.anchors, options.anchors_size = octets(identity.anchors), len(identity.anchors)


cdef const uint8_t *octets(bytes data):
    """NULL for nothing."""
    return <const uint8_t *><const char *>data if data else NULL
