# Who may register, and as whom: endpoint names with what is said of them, and secure peers.
#
# Keeps what it is told (core/names, core/principals); that it is obeyed is core/registration's business.
# Who a secure peer is is found out in net/, which says so before the peer's first datagram.

from lwm2m_fast.core.names cimport NAME_LISTED, NAME_PLAIN, NAME_SECURE
from lwm2m_fast.core.principals cimport PRINCIPAL_SIZE, Principal, principal_addr
from lwm2m_fast.core.records cimport NONE, Record
from lwm2m_fast.datagram cimport addr_is_secure, lf_addr

from lwm2m_fast.errors import UnknownDevice

MARKS = {0: NAME_PLAIN, 1: NAME_SECURE, None: 0}


cdef class Access(Lookup):
    # Endpoint names

    def allow(self, endpoints):
        """Let these endpoint names register (policy "provisioned")."""
        if not self.state.is_open:
            for name in endpoints:
                self.state.names.change(name.encode(), 0, NAME_LISTED)

    def disallow(self, str endpoint):
        """Refuse this endpoint name from its next Register on."""
        self.state.names.change(endpoint.encode(), NAME_LISTED, 0)

    def require(self, str endpoint, mode):
        """Say how this endpoint name may register: 0 without security only, 1 as a secure peer that
        may speak for it only, None as the policy says.

        Whether it is registered at the moment in a way that this forbids; that registration stands
        until its owner de-registers it.
        """
        cdef uint32_t slot
        cdef bytes name = endpoint.encode()
        self.state.names.change(name, NAME_PLAIN | NAME_SECURE, MARKS[mode])
        slot = self.state.devices.find(<const uint8_t *><const char *>name, len(name))
        if slot == NONE or mode is None:
            return False
        return addr_is_secure(&self.state.devices.at(slot).record.address) != (mode == 1)

    # Secure peers

    def secure_peer(self, bytes principal, int kind, names):
        """An authenticated peer is here, which may speak for these endpoint names and no others.

        `principal` has 16 bytes, `kind` is 1 (PSK) or 2 (X.509). At most 16 names count, of 1 to
        255 bytes each. False: there are dtls.max_sessions of them already, and whatever this one
        says is refused.
        """
        return self.state.principals.put(principal, kind, names)

    def secure_peer_replaced(self, bytes principal):
        """It has another session: its message ids start anew, and none is a duplicate."""
        cdef lf_addr addr
        principal_addr(principal, &addr)
        self.state.peers.forget_messages(&addr)

    def secure_peer_gone(self, bytes principal):
        """It has no session any more. Its registration stays; nobody can use it until it is back."""
        self.state.principals.drop(principal)

    def secure_peers(self, int kind, uint32_t cursor=0, int limit=1000):
        """Up to `limit` of the peers of a kind that are here, each as (principal, one of its names),
        and the next cursor or None."""
        cdef uint32_t number = cursor
        cdef const Principal *who
        found = []
        while number < self.state.principals.next_new and len(found) < limit:
            who = self.state.principals.at(number)
            if who != NULL and who.kind == kind and who.count:
                found.append(((<const char *>who.id)[:PRINCIPAL_SIZE],
                              (<const char *>who.names)[1:1 + who.names[0]].decode()))
            number += 1
        return found, (number if number < self.state.principals.next_new else None)

    def principal(self, str endpoint):
        """The 16 bytes that a registered secure device came as; None: a plain one, or not here."""
        cdef Record *record
        try:
            record = self.state.devices.at(self.find(endpoint)).record
        except UnknownDevice:
            return None
        if not addr_is_secure(&record.address):
            return None
        return (<const char *>record.address.ip)[:PRINCIPAL_SIZE]
