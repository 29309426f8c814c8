# How the datagrams of a fleet reach its server: the loop that both forms of socket share.
#
# The only place of the simulator that reads a clock. Knows no CoAP.

from libc.errno cimport EAGAIN, EINTR
from libc.stdint cimport int64_t

from os import strerror

from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.fleet cimport Fleet


cdef class Transport:
    """Sockets of a fleet; see SharedSocket and DeviceSockets."""

    cdef int receive(self, Fleet fleet, int64_t now) noexcept nogil:
        return 0

    cdef void note_error(self, int error) noexcept nogil:
        if error != EAGAIN and error != EINTR:
            self.failure = error

    cdef void send(self, Departures out) noexcept nogil:
        pass

    cdef void wait(self, int64_t ns) noexcept nogil:
        pass

    def run(self, Fleet fleet not None, double seconds):
        """Drive `fleet` for so many seconds, or until its goal is reached.

        Python signal handlers run when this returns: call it again and again, a little at a time.
        """
        cdef int64_t now = monotonic_ns()
        cdef int64_t end = now + <int64_t>(seconds * 1e9), pause
        cdef int received
        with nogil:
            while now < end and not fleet.is_reached() and not self.failure:
                received = self.receive(fleet, now)
                fleet.turn(now)
                if fleet.out.count:
                    fleet.counts.sent += fleet.out.count
                    self.send(fleet.out)
                    fleet.out.clear()
                elif received == 0:
                    pause = fleet.patience_ns()
                    self.wait(pause if pause < end - now else end - now)
                now = monotonic_ns()
        fleet.raise_fault()
        if self.failure:
            raise OSError(self.failure, f"the fleet cannot receive: {strerror(self.failure)}")

    def close(self):
        """Close every socket; nothing may run any more."""


def now_ns():
    """The clock of the fleet, which is the machine's monotonic one."""
    return monotonic_ns()
