# How the datagrams of a fleet reach its server: the loop that both forms of socket share.
#
# The only place of the simulator that reads a clock. Knows no CoAP.

from libc.errno cimport EAGAIN, EINTR
from libc.stdint cimport int64_t, uint32_t, uint64_t

from os import strerror

from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.device cimport STATE_REGISTERED, mixed
from lwm2m_fast.sim.fleet cimport Fleet
from lwm2m_fast.sim.layer cimport Layer, Receiver
from lwm2m_fast.sim.wheel cimport Wheel

cdef enum:
    MAX_REBOUND = 64              # devices that change their address in one turn


cdef class Transport:
    """Sockets of a fleet; see SharedSocket and DeviceSockets."""

    cdef int receive(self, Receiver to, int64_t now) noexcept nogil:
        return 0

    cdef void note_error(self, int error) noexcept nogil:
        if error != EAGAIN and error != EINTR:
            self.failure = error

    cdef void send(self, Departures out) noexcept nogil:
        pass

    cdef void wait(self, int64_t ns) noexcept nogil:
        pass

    cdef bint rebind(self, uint32_t key) noexcept nogil:
        return False

    # Layers.

    cdef void pass_down(self, int at, Departures out, int64_t now) noexcept nogil:
        """All of `out` through the layers from `at` on, and away."""
        cdef int first = 0
        if at == self.layer_count:
            if out.count:
                self.send(out)
                out.clear()
            return
        while True:
            first = (<Layer>self.layers[at]).take(out, first, now)
            self.pass_down(at + 1, (<Layer>self.layers[at]).out, now)
            if first >= out.count:
                break
        out.clear()

    cdef bint turn(self, Fleet fleet, int64_t now) noexcept nogil:
        """What time does, from below upward, and what leaves of it; whether anything did."""
        cdef int at, made = 0
        for at in range(self.layer_count - 1, -1, -1):
            (<Layer>self.layers[at]).turn(now)
            made += (<Layer>self.layers[at]).out.count
        fleet.turn(now)
        for at in range(self.layer_count - 1, -1, -1):
            if (<Layer>self.layers[at]).out.count:
                self.pass_down(at + 1, (<Layer>self.layers[at]).out, now)
        made += fleet.out.count
        if fleet.out.count:
            fleet.counts.sent += fleet.out.count
            self.pass_down(0, fleet.out, now)
        return made > 0

    cdef int64_t patience(self, Fleet fleet) noexcept nogil:
        cdef int64_t least = fleet.patience_ns()
        cdef int at
        for at in range(self.layer_count):
            if (<Layer>self.layers[at]).patience_ns < least:
                least = (<Layer>self.layers[at]).patience_ns
        return least

    cdef bint is_faulty(self) noexcept nogil:
        cdef int at
        for at in range(self.layer_count):
            if (<Layer>self.layers[at]).is_faulty:
                return True
        return self.failure != 0

    # Addresses.

    cdef void rebind_by_time(self, Fleet fleet, int64_t now) noexcept nogil:
        """Of those that are registered: a handshake under way would have to be begun anew."""
        cdef uint32_t keys[MAX_REBOUND]
        cdef int count = self.rebind_wheel.advance(now, keys, MAX_REBOUND), i
        for i in range(count):
            if fleet.devices[keys[i]].state == STATE_REGISTERED:
                self.rebound += self.rebind(keys[i])
            self.dice += 1
            # Between half the pause and one and a half: a fleet does not march in step.
            self.rebind_wheel.schedule(keys[i], now + self.rebind_every_ns // 2 + <int64_t>(
                mixed(self.dice) % <uint64_t>(self.rebind_every_ns + 1)))

    # The Python edge.

    def put_beneath(self, Layer layer not None):
        """From here on datagrams pass `layer`, below those that were put before."""
        if self.layer_count == MOST_LAYERS:
            raise ValueError(f"at most {MOST_LAYERS} layers")
        if self.held is None:
            self.held = []
        self.held.append(layer)
        self.layers[self.layer_count] = <void *>layer
        self.layer_count += 1

    def rebind_every(self, uint32_t devices, double seconds, int64_t now_ns, uint64_t seed=0):
        """Each of so many devices, while registered, changes its address about this often, as
        behind a NAT."""
        cdef uint32_t key
        self.rebind_wheel = Wheel(devices, now_ns)
        self.rebind_every_ns = <int64_t>(seconds * 1e9)
        self.dice = seed
        for key in range(devices):
            self.dice += 1
            self.rebind_wheel.schedule(key, now_ns + <int64_t>(
                mixed(self.dice) % <uint64_t>(self.rebind_every_ns + 1)))

    def run(self, Fleet fleet not None, double seconds):
        """Drive `fleet` for so many seconds, or until its goal is reached.

        Python signal handlers run when this returns: call it again and again, a little at a time.
        """
        cdef int64_t now = monotonic_ns()
        cdef int64_t end = now + <int64_t>(seconds * 1e9), pause
        cdef int received
        cdef Receiver lowest = self.held[self.layer_count - 1] if self.layer_count else fleet
        with nogil:
            while now < end and not fleet.is_reached() and not self.is_faulty():
                if self.rebind_every_ns:
                    self.rebind_by_time(fleet, now)
                received = self.receive(lowest, now)
                if not self.turn(fleet, now) and received == 0:
                    pause = self.patience(fleet)
                    self.wait(pause if pause < end - now else end - now)
                now = monotonic_ns()
        fleet.raise_fault()
        for layer in self.held or ():
            layer.raise_fault()
        if self.failure:
            raise OSError(self.failure, f"the fleet cannot receive: {strerror(self.failure)}")

    def flush(self, Layer layer not None):
        """Send what `layer` made outside of a run."""
        self.pass_down(self.held.index(layer) + 1, layer.out, monotonic_ns())

    def close(self):
        """Close every socket; nothing may run any more."""


def now_ns():
    """The clock of the fleet, which is the machine's monotonic one."""
    return monotonic_ns()
