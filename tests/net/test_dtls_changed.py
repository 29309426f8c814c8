"""A credential that changes in the middle of a handshake: what was asked before does not count."""

from __future__ import annotations

import pytest

from lwm2m_fast.net import dtls_session as dtls
from tests.net import certificates
from tests.net.endpoint_kit import X509, Device, World, principal_of, psk_principal

HANDSHAKE, CLIENT_KEY_EXCHANGE = 22, 16


class Held:
    """A link on which only the key exchange gets through of a client's last flight."""

    def __init__(self, device: Device) -> None:
        self.device, self.rest = device, list[bytes]()
        device.change_up = self.hold

    def hold(self, datagram: bytes) -> list[bytes]:
        at = 0
        while at < len(datagram) and datagram[at] == HANDSHAKE and not self.rest:
            is_it = datagram[at + 13] == CLIENT_KEY_EXCHANGE
            at += 13 + int.from_bytes(datagram[at + 11 : at + 13])
            if is_it:
                self.rest.append(datagram[at:])
                return [datagram[:at]]
        if self.rest:
            self.rest.append(datagram)
            return []
        return [datagram]

    def release(self) -> None:
        self.device.change_up = lambda datagram: [datagram]
        self.device.transmit(*[datagram for datagram in self.rest if datagram])
        self.device.world.turn()
        self.device.hear()


def until_the_key_was_asked_for(device: Device) -> Held:
    held = Held(device)
    device.connect()
    for _ in range(6):
        device.step()
    assert held.rest
    assert not device.session.is_ready
    assert device.world.count("handshakes_current") == 1
    return held


@pytest.mark.parametrize("changed", ["key", "names", "gone"])
def test_a_handshake_with_a_credential_of_before_opens_nothing(changed: str) -> None:
    with World() as world:
        device = world.device()
        held = until_the_key_was_asked_for(device)
        assert world.credentials.asked == [b"device-1"]
        if changed == "names":
            world.credentials.names[b"device-1"] = ("another",)
        else:
            world.credentials.keys[b"device-1"] = b"another key" if changed == "key" else None
        assert world.endpoint.end(device.principal) is False
        held.release()
        ((_, address, why, identity),) = world.listener.heard
        assert (address, identity) == (device.address, "device-1")
        assert "changed" in why
        assert world.count("handshakes_failed") == 1
        assert world.count("handshakes_current") == world.count("sessions_current") == 0
        assert device.events[-1] == dtls.CLOSED


def test_another_credential_that_changed_costs_a_question_and_nothing_else() -> None:
    with World() as world:
        device = world.device()
        held = until_the_key_was_asked_for(device)
        world.endpoint.end(psk_principal(b"another"))
        held.release()
        assert world.listener.take() == ["opened"]
        assert world.credentials.asked == [b"device-1"] * 2


def test_without_a_change_nobody_is_asked_twice() -> None:
    with World() as world:
        world.endpoint.end(psk_principal(b"another"))
        device = world.device()
        until_the_key_was_asked_for(device).release()
        assert world.listener.take() == ["opened"]
        assert world.credentials.asked == [b"device-1"]


def test_a_fault_while_asking_again_lets_nobody_in() -> None:
    with World() as world:
        device = world.device()
        held = until_the_key_was_asked_for(device)
        world.endpoint.end(device.principal)
        world.credentials.error = RuntimeError("no store")
        held.release()
        assert world.listener.take() == ["refused"]
        assert world.count("sessions_current") == 0
        assert world.endpoint.fault is world.credentials.error


@pytest.mark.parametrize("by_trust", [True, False])
def test_a_certificate_that_counts_no_more_opens_nothing(by_trust: bool) -> None:
    with World(certified=True) as world:
        device = world.certified_device(certificates.device())
        held = until_the_key_was_asked_for(device)
        world.credentials.gone.add(b"CN=device-1")
        if by_trust:
            server = certificates.server()
            world.endpoint.set_certificate(server.chain, server.key_der, None)
        else:
            world.endpoint.end(principal_of(X509, b"CN=device-1"))
        held.release()
        assert world.listener.take() == ["refused"]
        assert world.count("sessions_current") == 0


@pytest.mark.parametrize("another", [True, False])
def test_a_chain_that_was_checked_against_other_anchors_opens_nothing(another: bool) -> None:
    """Whose authority was removed may have held its last flight back until then."""
    with World(certified=True) as world:
        device = world.certified_device(certificates.device())
        held = until_the_key_was_asked_for(device)
        server = certificates.server()
        anchors = certificates.stranger() if another else certificates.authority()
        world.endpoint.set_certificate(server.chain, server.key_der, anchors.der)
        world.endpoint.end(psk_principal(b"another"))
        held.release()
        assert world.listener.take() == (["refused"] if another else ["opened"])
        assert world.count("sessions_current") == (0 if another else 1)


def test_a_resumption_with_a_credential_of_before_opens_nothing() -> None:
    with World(resumptions=10) as world:
        device = world.ready()
        memory = device.session.remember()
        world.listener.take()
        device.renew().recall(memory)
        device.connect()
        world.turn()
        device.hear()
        world.turn()  # it has agreed to resume; the client's answer is on its way
        world.credentials.keys[b"device-1"] = None
        world.endpoint.end(device.principal)
        device.hear()
        world.turn()
        assert world.listener.take() == ["ended", "refused"]
        assert world.count("handshakes_resumed") == world.count("sessions_current") == 0
