"""The judge of Sends (core/judge): what is taken, what is refused, and what replaces what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from scripted import BLOCK1, CONTENT_FORMAT, POST, Device, World, block, reachable

from lwm2m_fast.codec import Kind, Node, encode
from lwm2m_fast.core.forms import Forms
from lwm2m_fast.core.judge import Judge
from lwm2m_fast.fleet.settings import Settings
from lwm2m_fast.model import Definitions, Model, ObjectDefinition, ResourceType, built_in
from lwm2m_fast.targets import Targets
from tests.value_kit import SettingsTable

SENML_JSON, SENML_CBOR, LWM2M_CBOR = 110, 112, 11544
OBJECTS = b"</1/0>,</3/0>,</3303/0>,</3303/1>,</3304>"
NUMBERS = -(2**62)


@dataclass
class Court:
    """A world with a judge, and one device that has registered."""

    world: World
    device: Device
    targets: Targets
    judge: Judge
    settings: SettingsTable
    known: dict[int, Any] = field(default_factory=dict)
    firsts: list[tuple[int, str]] = field(default_factory=list)

    def send(self, payload: bytes, content_format: int = SENML_CBOR) -> str:
        options = [(CONTENT_FORMAT, content_format.to_bytes(2, "big"))]
        return self.device.ask(POST, "dp", options=options, payload=payload).code

    def numbers(self) -> list[int]:
        return [report.observation for report in self.world.reports]

    def first(self, number: int, endpoint: str, form: object) -> None:
        self.firsts.append((number, endpoint))
        self.known[number] = form


def court(objects: bytes = OBJECTS, model: Model | None = None) -> Court:
    world, device = reachable(World())
    device.register("dev-1", lifetime=86400, payload=objects)
    settings = SettingsTable()
    targets = Targets(world.engine, model or Model(built_in()), settings)
    judge = Judge(Forms(world.engine, targets))
    world.engine.judge_send = judge
    made = Court(world, device, targets, judge, settings)
    judge.report_to(made.known, made.first)
    return made


def celsius(value: float = 1.0, instance: int = 0, time_ns: int | None = None) -> Node:
    return Node(f"/3303/{instance}/5700", value, Kind.FLOAT, time_ns)


ALL = pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR, LWM2M_CBOR])


@ALL
def test_a_send_in_each_format_is_taken_or_refused(content_format: int) -> None:
    here = court()
    good = encode(content_format, [celsius()])
    assert here.send(good, content_format) == "2.04"
    assert here.send(b"\xffgarbage", content_format) == "4.00"
    unknown = encode(content_format, [celsius(), celsius(1.0, 2)])
    assert here.send(unknown, content_format) == "4.04"
    assert here.judge.counters() == {"values_sends_malformed": 1, "values_sends_unregistered": 1}
    assert [report.payload for report in here.world.reports] == [good], "nothing of a refused one"
    assert here.send(good, content_format) == "2.04", "and a refusal leaves nothing behind"


@ALL
def test_an_object_without_instances_has_none(content_format: int) -> None:
    here = court()
    nodes = [Node("/3304/0/5700", 1.0, Kind.FLOAT)]
    assert here.send(encode(content_format, nodes), content_format) == "4.04"


@ALL
def test_a_value_of_another_type_is_refused(content_format: int) -> None:
    here = court()
    nodes = [Node("/3303/0/5700", "warm", Kind.STRING)]
    assert here.send(encode(content_format, nodes), content_format) == "4.00"


@ALL
def test_the_same_values_have_the_same_number_and_others_another(content_format: int) -> None:
    here = court()
    kinds = [
        [celsius(1.0)],
        [celsius(2.0)],
        [celsius(3.0, 1)],
        [celsius(4.0), celsius(5.0, 1)],
        [Node("/3303/0/5601", 1.0, Kind.FLOAT)],
    ]
    for nodes in kinds:
        assert here.send(encode(content_format, nodes), content_format) == "2.04"
    first, second, *others = here.numbers()
    assert first == second
    assert len({first, *others}) == 4
    assert all(number <= NUMBERS for number in here.numbers())
    assert [number for number, _ in here.firsts] == [first, *others], "each is told once"
    assert {name for _, name in here.firsts} == {"dev-1"}
    here.known.clear()
    here.send(encode(content_format, [celsius(9.0)]), content_format)
    assert here.firsts[-1] == (first, "dev-1")
    assert len(here.firsts) == 5


def test_moments_are_no_part_of_the_number_and_base_names_are() -> None:
    here = court()
    for payload in (
        b'[{"n":"/3303/0/5700","v":1}]',
        b'[{"bn":"/3303/0/","n":"5700","v":1,"t":-5}]',
        b'[{"bn":"/3303/0/","bt":1600000000,"n":"5700","v":1}]',
        b'[{"n":"5700","v":1,"bn":"/3303/1/"}]',
    ):
        assert here.send(payload, SENML_JSON) == "2.04"
    one, two, three, four = here.numbers()
    assert one == two == three != four


def test_what_one_send_says_for_all_its_records_is_forgotten_after_it() -> None:
    """Base name, time and value (RFC 8428, section 4.1) end with the pack."""
    here = court()
    based = b'[{"bn":"/3303/0/","bt":1600000000,"bv":1e300,"n":"5700","v":1e300}]'
    assert here.send(based, SENML_JSON) == "2.04"
    assert here.send(b'[{"n":"/3303/0/5700","v":1}]', SENML_JSON) == "2.04"
    assert here.send(b'[{"n":"5700","v":1}]', SENML_JSON) == "4.00"
    cbor = encode(
        SENML_CBOR, [celsius(1.0, 0, 1_600_000_000 * 10**9), celsius(2.0, 1, 16 * 10**17)]
    )
    assert here.send(cbor) == "2.04"
    assert here.send(b"\x81\xa2\x00\x645700\x02\x01") == "4.00"


def test_two_devices_never_share_a_number_nor_two_registrations() -> None:
    here = court()
    payload = encode(SENML_CBOR, [celsius()])
    other = here.world.device("192.0.2.9:5683")
    other.register("dev-2", lifetime=86400, payload=OBJECTS)
    options = [(CONTENT_FORMAT, b"\x70")]
    here.send(payload)
    other.ask(POST, "dp", options=options, payload=payload)
    location = here.device.register("dev-1", lifetime=86400, payload=OBJECTS)
    here.send(payload)
    here.device.update(location, payload=b"</3/0>,</3303/0>")
    here.send(payload)
    assert len(set(here.numbers())) == 4
    assert [name for _, name in here.firsts] == ["dev-1", "dev-2", "dev-1", "dev-1"]


def test_what_a_device_registers_anew_counts_at_once() -> None:
    here = court()
    payload = encode(SENML_CBOR, [celsius(1.0, 1)])
    assert here.send(payload) == "2.04"
    here.device.register("dev-1", lifetime=86400, payload=b"</3303/0>")
    assert here.send(payload) == "4.04"


def test_names_begin_with_the_device_s_root() -> None:
    here = court(b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3303/0>')
    nodes = [celsius()]
    assert here.send(encode(SENML_CBOR, nodes)) == "4.00"
    assert here.send(encode(SENML_CBOR, nodes, root="/lwm2m")) == "2.04"


def test_settings_of_one_device_count_for_it_alone() -> None:
    here = court()
    payload = encode(SENML_CBOR, [celsius()])
    assert here.send(payload) == "2.04"
    made = here.targets.misses
    here.settings.by_endpoint["dev-2"] = Settings(default_object_version="1.1")
    assert here.send(payload) == "2.04"
    assert here.targets.misses == made, "another's settings change nothing"
    here.settings.by_endpoint["dev-1"] = Settings(default_object_version="1.1")
    assert here.send(payload) == "2.04"
    assert here.targets.misses == made + 1, "a target of its own"
    assert here.numbers() == here.numbers()[:1] * 3


def test_a_changed_definition_counts_at_once() -> None:
    uploads, known = Definitions(), built_in().get(3303, "1.0")
    assert known is not None
    here = court(model=Model(uploads, built_in()))
    text = encode(SENML_CBOR, [Node("/3303/0/5700", "warm", Kind.STRING)])
    assert here.send(text) == "4.00"
    resources = dict(known.resources)
    resources[5700] = replace(resources[5700], type=ResourceType.STRING)
    uploads.put([ObjectDefinition(3303, "1.0", "Mine", known.urn, True, False, "1.0", resources)])
    assert here.send(text) == "2.04"


def test_a_large_pack_leaves_no_large_walker_and_the_next_is_judged_as_ever() -> None:
    here = court()
    nodes = [celsius(float(n), 0, (1_600_000_000 + n) * 10**9) for n in range(9000)]
    whole = encode(SENML_CBOR, nodes)
    size = 1024
    for number in range(0, len(whole), size):
        more = number + size < len(whole)
        options = [(CONTENT_FORMAT, b"\x70"), (BLOCK1, block(number // size, more, size))]
        payload = whole[number : number + size]
        answer = here.device.ask(POST, "dp", options=options, payload=payload)
    assert answer.code in ("2.04", "4.13")
    assert here.send(encode(SENML_CBOR, [celsius()])) == "2.04"
