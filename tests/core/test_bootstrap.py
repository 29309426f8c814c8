"""A bootstrap step by step against a device that is a dictionary."""

from __future__ import annotations

import dataclasses

import pytest

from lwm2m_fast.codec import FORMATS, Node, Path
from lwm2m_fast.codec.kinds import Kind
from lwm2m_fast.codec.link import decode_links
from lwm2m_fast.core.accounts import (
    Account,
    CertificateUsage,
    Configuration,
    SecurityMode,
    ServerTerms,
)
from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.core.bootstrap import MAX_STEPS, Policy, Session, chosen_format, pack
from lwm2m_fast.core.bootstrap_plan import known_of, plan
from lwm2m_fast.errors import RequestError
from tests.account_types import TYPES

TLV, SENML_CBOR, SENML_JSON = 11542, 112, 110

TERMS = ServerTerms(lifetime_s=300)
SERVER = Account("coap://s:5783", SecurityMode.NO_SEC, 1, TERMS)
SECURE = Account(
    "coaps://s:5784", SecurityMode.PSK, 1, TERMS, identity=b"id-1", secret=bytes(range(16))
)
BOOTSTRAP = Account("coap://b:5683", SecurityMode.NO_SEC, None)


class Device:
    """Keeps instances, and does what OMA Core, section 6.1.7, says of each request."""

    def __init__(self, refuses: dict[str, int] | None = None, formats: set[int] | None = None):
        self.objects: dict[str, dict[int, object]] = {"/0/0": {0: "coap://b:5683", 1: True}}
        self.refuses = refuses or {}
        self.formats = formats or {TLV, SENML_CBOR, SENML_JSON}
        self.asked: list[str] = []

    def discover(self) -> bytes:
        links = []
        for path, values in sorted(self.objects.items()):
            object_id = path.split("/")[1]
            short_id = values.get(10) if object_id == "0" else values.get(0)
            is_bootstrap = object_id == "0" and values.get(1)
            links.append(f"<{path}>" + (f";ssid={short_id}" if not is_bootstrap else ""))
        return f"</>;lwm2m=1.1,{','.join(links)}".encode()

    def answer(self, request: CoapRequest) -> tuple[int, bytes]:
        path = "/" + b"/".join(request.path).decode()
        name = f"{ {1: 'GET', 2: 'POST', 3: 'PUT', 4: 'DELETE'}[request.method] } {path}"
        self.asked.append(name)
        if name in self.refuses:
            return self.refuses[name], b""
        if request.method == 1:
            return 69, self.discover() if path == "/" else b"\xc1\x00\x01"
        if request.method == 4:
            for other in list(self.objects):
                kept = other.startswith("/0/") and self.objects[other].get(1)
                if not kept and (path == "/" or other == path or other.startswith(path + "/")):
                    del self.objects[other]
            return 66, b""
        if request.method == 3:
            if request.content_format not in self.formats:
                return 0x8F, b""
            nodes = FORMATS[request.content_format].decode(request.payload, path, TYPES)
            self.objects[path] = {node.path.ids[2]: node.value for node in nodes}
            return 68, b""
        return 68, b""


def run(device: Device, session: Session) -> Session:
    while (request := session.next()) is not None:
        code, payload = device.answer(request)
        session.answered("answered", code, payload)
    return session


def test_an_account_is_written_between_discover_and_finish() -> None:
    device = Device()
    session = run(device, Session(Configuration((SERVER,))))
    assert device.asked == ["GET /", "PUT /0/1", "PUT /1/1", "POST /bs"]
    assert (session.ended, session.reason) == ("finished", None)
    assert [step.result for step in session.steps] == ["2.05", "2.04", "2.04", "2.04"]


def test_every_field_of_an_account_arrives_as_it_is_configured() -> None:
    account = dataclasses.replace(
        SECURE, security_mode=SecurityMode.X509, server_key=b"cert", hold_off_s=5,
        certificate_usage=CertificateUsage.DOMAIN_ISSUER_CERTIFICATE,
        terms=ServerTerms(300, 1, 60, 3600, True, "UQ"),
    )  # fmt: skip
    device = Device()
    run(device, Session(Configuration((account,))))
    assert device.objects["/0/1"] == {
        0: "coaps://s:5784", 1: False, 2: 2, 3: b"id-1", 4: b"cert", 5: bytes(range(16)), 10: 1,
        11: 5, 15: 3,
    }  # fmt: skip
    assert device.objects["/1/1"] == {0: 1, 1: 300, 2: 1, 3: 60, 5: 3600, 6: True, 7: "UQ"}


def test_what_is_not_set_is_not_written() -> None:
    device = Device()
    run(device, Session(Configuration((SERVER,))))
    assert set(device.objects["/0/1"]) == {0, 1, 2, 3, 4, 5, 10}
    assert set(device.objects["/1/1"]) == {0, 1, 7}


MANDATORY = {3: b"", 4: b"", 5: b""}
"""Of object 0 (OMA Core, E.1), empty."""


def test_a_plain_account_carries_no_key_but_all_mandatory_resources() -> None:
    account = dataclasses.replace(SECURE, security_mode=SecurityMode.NO_SEC)
    device = Device()
    run(device, Session(Configuration((account,))))
    written = device.objects["/0/1"]
    assert {number: written[number] for number in (3, 4, 5)} == MANDATORY


def test_an_account_with_a_key_has_an_empty_server_key() -> None:
    device = Device()
    run(device, Session(Configuration((SECURE,))))
    assert device.objects["/0/1"][4] == b""


def test_over_a_certificate_of_the_factory_nothing_is_written() -> None:
    account = dataclasses.replace(
        SECURE, security_mode=SecurityMode.X509, identity=b"", secret=b"", server_key=b""
    )
    device = Device()
    run(device, Session(Configuration((account,))))
    assert not {3, 4, 5} & set(device.objects["/0/1"])


@pytest.mark.parametrize("refuses", [{}, {"GET /": 0x85}], ids=["discovered", "not discovered"])
def test_five_bootstraps_leave_no_second_account(refuses: dict[str, int]) -> None:
    device = Device(refuses)
    accounts = (
        SERVER,
        dataclasses.replace(SERVER, short_id=2),
        dataclasses.replace(SERVER, short_id=3),
    )
    for _ in range(5):
        run(device, Session(Configuration(accounts, offset=1)))
    assert sorted(device.objects) == ["/0/0", "/0/1", "/0/2", "/0/3", "/1/1", "/1/2", "/1/3"]
    assert [device.objects[f"/0/{i}"][10] for i in (1, 2, 3)] == [1, 2, 3]


def test_an_account_of_the_same_server_is_replaced_where_it_is() -> None:
    device = Device()
    device.objects |= {"/0/7": {1: False, 10: 1}, "/1/4": {0: 1}, "/0/8": {1: False, 10: 9}}
    run(device, Session(Configuration((SERVER,))))
    assert device.asked == [
        "GET /",
        "DELETE /0/7",
        "DELETE /1/4",
        "PUT /0/7",
        "PUT /1/4",
        "POST /bs",
    ]
    assert "/0/8" in device.objects  # another server's


def test_duplicates_of_an_earlier_server_are_cleared() -> None:
    device = Device()
    device.objects |= {"/0/1": {1: False, 10: 1}, "/0/2": {1: False, 10: 1}, "/1/1": {0: 1}}
    run(device, Session(Configuration((SERVER,))))
    assert sorted(device.objects) == ["/0/0", "/0/1", "/1/1"]


def test_new_accounts_begin_at_the_offset() -> None:
    device = Device()
    run(device, Session(Configuration((SERVER,), offset=3)))
    assert sorted(device.objects) == ["/0/0", "/0/3", "/1/3"]


def test_an_offset_beyond_the_last_instance_is_refused_before_the_device_is_asked() -> None:
    with pytest.raises(RequestError, match="securityInstanceOffset is 65535"):
        Session(Configuration((SERVER,), offset=65_535))


def test_the_bootstrap_account_is_rewritten_in_place_only_when_configured() -> None:
    device = Device()
    run(device, Session(Configuration((SERVER,))))
    assert device.objects["/0/0"] == {0: "coap://b:5683", 1: True}
    run(device, Session(Configuration((dataclasses.replace(BOOTSTRAP, uri="coap://new"), SERVER))))
    assert device.objects["/0/0"] == {0: "coap://new", 1: True, 2: 3, **MANDATORY}
    assert sorted(device.objects) == ["/0/0", "/0/1", "/1/1"]


def test_configured_deletes_come_first_and_free_their_instances() -> None:
    device = Device()
    device.objects |= {"/0/1": {1: False, 10: 9}, "/1/1": {0: 9}, "/3303/0": {5700: 1.0}}
    run(device, Session(Configuration((SERVER,), deletes=("/",))))
    assert device.asked[:2] == ["GET /", "DELETE /"]
    assert sorted(device.objects) == ["/0/0", "/0/1", "/1/1"]


def test_other_objects_are_written_after_the_accounts() -> None:
    rights = (Node(Path(2, 0, 0), 3, Kind.INTEGER), Node(Path(2, 0, 3), 1, Kind.INTEGER))
    device = Device()
    run(device, Session(Configuration((SERVER,), objects=(("/2/0", rights),))))
    assert device.asked[-2:] == ["PUT /2/0", "POST /bs"]


def test_what_is_read_is_kept_with_its_step() -> None:
    session = run(Device(), Session(Configuration((SERVER,), reads=("/1",))))
    assert session.steps[-2] == ("READ /1", "2.05 c10001")


@pytest.mark.parametrize(
    ("preferred", "version", "forced", "chosen"),
    [
        (None, None, None, TLV),
        (None, "1.0", None, TLV),
        (None, "1.1", None, TLV),
        (None, "1.2", None, SENML_CBOR),
        (SENML_JSON, "1.0", None, SENML_JSON),
        (SENML_JSON, None, SENML_CBOR, SENML_CBOR),
        (11543, "1.0", None, 11543),
        (50, None, None, TLV),
        (42, None, None, TLV),
    ],
)
def test_the_format_is_the_configured_then_the_asked_for_then_the_versions(
    preferred: int | None, version: str | None, forced: int | None, chosen: int
) -> None:
    assert chosen_format(preferred, version, forced) == chosen


def test_a_device_without_the_format_is_tried_in_the_other_once() -> None:
    device = Device(formats={SENML_CBOR})
    session = run(device, Session(Configuration((SERVER,))))
    assert device.asked == ["GET /", "PUT /0/1", "PUT /0/1", "PUT /1/1", "POST /bs"]
    assert session.ended == "finished"
    assert "/0/1" in device.objects


def test_a_configured_format_is_not_changed() -> None:
    device = Device(formats={SENML_CBOR})
    session = run(device, Session(Configuration((SERVER,), content_format=TLV)))
    assert [step.result for step in session.refused] == ["4.15", "4.15"]


def test_a_refused_write_does_not_stop_the_run() -> None:
    session = run(Device({"PUT /1/1": 0x80}), Session(Configuration((SERVER,))))
    assert session.ended == "finished"
    assert session.refused == [("WRITE /1/1", "4.00")]


def test_a_refused_write_ends_it_where_the_policy_says_so() -> None:
    session = run(
        Device({"PUT /1/1": 0x80}), Session(Configuration((SERVER,)), policy=Policy(write=True))
    )
    assert (session.ended, session.reason) == ("failed", "WRITE /1/1 was refused with 4.00")


def test_a_refused_finish_fails_it() -> None:
    session = run(Device({"POST /bs": 0x86}), Session(Configuration((SERVER,))))
    assert (session.ended, session.reason) == ("failed", "FINISH /bs was refused with 4.06")


def test_silence_fails_it_and_says_at_which_step() -> None:
    session = Session(Configuration((SERVER,)))
    session.next()
    session.answered("timeout", 0)
    assert session.next() is None
    assert session.reason == "DISCOVER /: the device did not answer (timeout)"


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("no_response", "the device acknowledged it and then did not answer (no_response)"),
        ("malformed", "the device answered with an unusable message (malformed)"),
        ("too_large", "the answer is larger than coap.max_body_bytes (too_large)"),
    ],
)
def test_who_answered_somehow_is_not_said_to_be_silent(outcome: str, why: str) -> None:
    session = Session(Configuration((SERVER,)))
    session.next()
    session.answered(outcome, 0)
    assert session.reason == f"DISCOVER /: {why}"


def test_an_end_from_outside_is_kept() -> None:
    session = Session(Configuration((SERVER,)))
    session.fail("a newer bootstrap of this device")
    session.answered("answered", 69, b"")
    assert session.next() is None
    assert (session.steps, session.reason) == ([], "a newer bootstrap of this device")


def test_an_answer_to_discover_that_is_no_links_is_as_none() -> None:
    session = Session(Configuration((SERVER,)))
    session.next()
    session.answered("answered", 69, b"\xff")
    assert session.step == "DELETE /0"


def test_more_steps_than_the_bound_end_it() -> None:
    objects = tuple((f"/2/{i}", (Node(Path(2, i, 0), 3, Kind.INTEGER),)) for i in range(MAX_STEPS))
    session = run(Device(), Session(Configuration((SERVER,), objects=objects)))
    assert session.reason == f"more than {MAX_STEPS} steps"
    assert len(session.steps) == MAX_STEPS


def test_no_secret_is_in_what_is_shown() -> None:
    session = run(Device(), Session(Configuration((SECURE,))))
    assert bytes(range(16)).hex() not in repr(session.steps) + repr(SECURE)


def test_a_pack_holds_all_instances() -> None:
    made = FORMATS[SENML_CBOR].decode(pack(Configuration((SECURE,)), SENML_CBOR), "/", TYPES)
    values = {str(node.path): node.value for node in made}
    assert values["/0/0/5"] == bytes(range(16))
    assert values["/1/0/1"] == 300


def test_short_ids_that_name_no_server_are_the_bootstrap_account() -> None:
    known = known_of(
        decode_links(b"</0/0>;ssid=0,</0/1>;ssid=65535,</0/2>;ssid=5,</1/0>;ssid=5,</3/0>")
    )
    assert known.security == {0: None, 1: None, 2: 5}
    assert known.servers == {0: 5}


def test_an_account_known_by_only_one_of_its_objects_gets_the_other() -> None:
    made = plan(
        Configuration((SERVER,)), known_of(decode_links(b"</0/0>,</0/4>;ssid=1,</1/0>;ssid=2"))
    )
    assert [write.path for write in made.writes] == ["/0/4", "/1/1"]
