# What our own side asks of devices (LwM2M TS 1.2 Core, sections 6.3 and 6.4): requests,
# observations, the end of a registration, and to be told when a device is heard.
#
# Finds the device and sees to it that the store can keep what must be kept; what follows is
# core/requests, core/reporting and core/registration.

from lwm2m_fast.core.observe cimport Relation
from lwm2m_fast.core.records cimport NONE

from lwm2m_fast.errors import RequestError, StoreError

cdef enum:
    WAITING_MOST = 128            # turns on their way to the store beyond which we ask no more


cdef class Management(Access):
    def start(self, str endpoint, request, double timeout_s, double now):
        """Order a CoapRequest; returns the call number that its answer will carry.

        `timeout_s` is the time for the answer from when the request leaves; while a payload goes
        in blocks, each block that the device takes starts it again. The payload's buffer is held
        until the answer. Raises UnknownDevice, QueueFull; RequestError names what cannot be sent.
        """
        self.set_time(now)
        if request.observe is not None:
            raise RequestError("an Observe is ordered with observe() and ended with unobserve()")
        return self.requests.start(self.find(endpoint), request, <int64_t>(timeout_s * 1000), NULL)

    def cancel(self, uint64_t call, double now):
        """Nobody waits for this call any more."""
        self.set_time(now)
        self.requests.cancel(call)

    def deregister(self, str endpoint, double now, str reason=""):
        """Remove a registration; the device finds out at its next Update (4.04).

        `reason`, if any, stands in the event. Raises UnknownDevice, StoreError.
        """
        self.set_time(now)
        self.check_store()
        self.registration.remove(self.find(endpoint), {"reason": reason} if reason else None)

    cdef int check_store(self) except -1:
        if not self.state.store_works:
            raise StoreError("the store cannot keep a change now")
        if self.state.turn - 1 - self.state.committed > WAITING_MOST:
            raise StoreError("the store is behind; try again in a moment")
        return 0

    def watch(self, str endpoint, bint on):
        """Whether Output.contacts tells each time that this device is heard.

        Lasts as long as the device is registered. Raises UnknownDevice.
        """
        self.state.devices.at(self.find(endpoint)).is_watched = on

    # What devices report

    def observe(self, str endpoint, request, bytes context, double timeout_s, double now):
        """Order an Observe (RFC 7641; LwM2M Core, section 6.4.1); the call that answers it.

        As start(), with Observe 0, and it leaves once the observation is in the store. If the
        device agrees, Answered.observation is the observation's number. `context` (0 to 1,024
        bytes) comes back with observation(); an observation of this device with the same context
        is asked for anew and keeps its number. Raises UnknownDevice, QueueFull, StoreError,
        RequestError; nothing has changed then.
        """
        self.set_time(now)
        self.check_store()
        return self.reporting.observe(self.find(endpoint), request, context,
                                      <int64_t>(timeout_s * 1000))

    def unobserve(self, uint64_t number, bint active, double timeout_s, double now):
        """End an observation: passively (None), a notification that comes then gets a RST;
        or actively, by a request with Observe 1 (its call), and it is forgotten once answered.

        One that does not stand is forgotten at once. RequestError: there is none of this number.
        Raises QueueFull, StoreError.
        """
        cdef uint32_t index
        cdef uint64_t call
        self.set_time(now)
        self.check_store()
        index = self.state.observations.find_number(number)
        if index == NONE:
            raise RequestError(f"there is no observation {number}")
        call = self.reporting.unobserve(index, active, <int64_t>(timeout_s * 1000))
        return call if call else None

    def observations(self, str endpoint):
        """What a device reports, oldest first, as dicts: number, context, state (pending, active,
        lapsed), since (unix seconds), notified (count), last_at (unix seconds or None).

        Raises UnknownDevice.
        """
        return self.reporting.describe(self.find(endpoint))

    def lapsed(self):
        """The names of devices that registered anew and were not asked yet for what they had
        reported before. Looks at every observation: for a start, when the rows are loaded."""
        return self.reporting.lapsed()

    def reported(self, uint64_t number):
        """observation(), also of one that an error among the reports of the turn taken last ended:
        what a report is about, for whoever reads it before the next turn."""
        found = self.observation(number)
        return self.ended.get(number) if found is None else found

    def observation(self, uint64_t number):
        """(endpoint, context), or None."""
        cdef uint32_t index = self.state.observations.find_number(number)
        cdef const Relation *relation
        if index == NONE:
            return None
        relation = self.state.observations.at(index).relation
        return (self.endpoint_of(relation.slot),
                (<const char *>relation.data)[:relation.context_size])
