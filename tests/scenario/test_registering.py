"""Register (LwM2M TS 1.2 Core, section 6.2.1), one device at a time."""

import pytest
from scripted import (
    LINKS,
    NON,
    POST,
    UNIX,
    World,
    register,
    register_parts,
)

# Register


def test_a_device_registers_updates_and_leaves():
    world = World()
    device = world.device("192.0.2.7:40000")
    location = device.register("urn:dev:7")
    assert world.shown("urn:dev:7") == {
        "endpoint": "urn:dev:7",
        "registration_id": location.removeprefix("rd/"),
        "address": "192.0.2.7:40000",
        "transport": "coap",
        "security_mode": "NO_SEC",
        "identity": None,
        "session": None,
        "lwm2m_version": "1.1",
        "lifetime_s": 300,
        "binding": "U",
        "queue_mode": False,
        "sms": None,
        "registered_at": UNIX,
        "updated_at": UNIX,
        "expires_at": UNIX + 300 + 93,
        "root": "/",
        "content_formats": [60, 110],
        "objects": {
            "1": {"version": None, "instances": [0]},
            "3": {"version": "1.1", "instances": [0]},
            "3303": {"version": None, "instances": [0]},
        },
        "links": LINKS.decode(),
        "attributes": {},
    }
    device.update(location)
    device.leave(location)
    assert world.engine.device("urn:dev:7") is None
    assert world.kinds() == [
        ("registered", "urn:dev:7"),
        ("updated", "urn:dev:7"),
        ("deregistered", "urn:dev:7"),
    ]


def test_a_location_is_rd_and_an_id_that_nobody_has_had():
    device = World().device()
    locations = [device.register("dev-1") for _ in range(50)]
    assert len(set(locations)) == 50
    assert {(where[:3], len(where)) for where in locations} == {("rd/", 17)}


@pytest.mark.parametrize("lifetime, shown", [(None, 86400), (1, 1), (4294967295, 4294967295)])
def test_the_lifetime_is_kept_or_a_day(lifetime, shown):
    world = World()
    world.device().register(lifetime=lifetime)
    assert world.shown("dev-1")["lifetime_s"] == shown


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_each_version_is_kept(version):
    world = World()
    world.device().register(version=version)
    assert world.shown("dev-1")["lwm2m_version"] == version


@pytest.mark.parametrize(
    "version, binding, shown, queue",
    [
        ("1.0", "b=U", "U", False),
        ("1.0", "b=UQ", "UQ", True),
        ("1.0", "b=SQ", "SQ", True),
        ("1.0", "b=UQS", "USQ", True),
        ("1.1", "b=UT", "UT", False),
        ("1.1", "b=UN", "UN", False),
        ("1.1", "b=S", "S", False),
        ("1.2", "b=UMH", "UMH", False),
        ("1.1", "Q", "U", True),
        ("1.2", "Q", "U", True),
    ],
)
def test_a_binding_that_fits_its_version_is_kept(version, binding, shown, queue):
    world = World()
    world.device().register(version=version, query=[binding])
    assert (world.shown("dev-1")["binding"], world.shown("dev-1")["queue_mode"]) == (shown, queue)


REFUSED = [
    (["lwm2m=1.1"], "4.00", "no endpoint"),
    (["ep=", "lwm2m=1.1"], "4.00", "an empty endpoint"),
    (["ep", "lwm2m=1.1"], "4.00", "an endpoint without a value"),
    (["ep=a", "ep=b", "lwm2m=1.1"], "4.00", "two endpoints"),
    ([b"ep=\xff\xfe", "lwm2m=1.1"], "4.00", "an endpoint that is no UTF-8"),
    ([b"ep=\xc0\x80", "lwm2m=1.1"], "4.00", "an overlong form"),
    ([b"ep=\xed\xa0\x80", "lwm2m=1.1"], "4.00", "a surrogate"),
    ([b"ep=\xf4\x90\x80\x80", "lwm2m=1.1"], "4.00", "beyond Unicode"),
    ([b"ep=\xe2\x82", "lwm2m=1.1"], "4.00", "cut off in a character"),
    (["ep=d"], "4.00", "no version"),
    (["ep=d", "lwm2m="], "4.00", "an empty version"),
    (["ep=d", "lwm2m"], "4.00", "a version without a value"),
    (["ep=d", "lwm2m=1"], "4.00", "no minor version"),
    (["ep=d", "lwm2m=1.1.1"], "4.00", "three parts"),
    (["ep=d", "lwm2m=a.b"], "4.00", "a version of letters"),
    (["ep=d", "lwm2m=1.1", "lwm2m=1.1"], "4.00", "two versions"),
    (["ep=d", "lwm2m=0.9"], "4.12", "before 1.0"),
    (["ep=d", "lwm2m=1.3"], "4.12", "after 1.2"),
    (["ep=d", "lwm2m=2.0"], "4.12", "another major version"),
    (["ep=d", "lwm2m=1.1", "lt=abc"], "4.00", "a lifetime of letters"),
    (["ep=d", "lwm2m=1.1", "lt="], "4.00", "an empty lifetime"),
    (["ep=d", "lwm2m=1.1", "lt"], "4.00", "a lifetime without a value"),
    (["ep=d", "lwm2m=1.1", "lt=-1"], "4.00", "a negative lifetime"),
    (["ep=d", "lwm2m=1.1", "lt=1.5"], "4.00", "a fraction of a second"),
    (["ep=d", "lwm2m=1.1", "lt= 5"], "4.00", "a blank"),
    (["ep=d", "lwm2m=1.1", "lt=4294967296"], "4.00", "33 bits"),
    (["ep=d", "lwm2m=1.1", "lt=99999999999"], "4.00", "eleven digits"),
    (["ep=d", "lwm2m=1.1", "lt=5", "lt=5"], "4.00", "two lifetimes"),
    (["ep=d", "lwm2m=1.1", "b="], "4.00", "an empty binding"),
    (["ep=d", "lwm2m=1.1", "b"], "4.00", "a binding without a value"),
    (["ep=d", "lwm2m=1.1", "b=X"], "4.00", "an unknown letter"),
    (["ep=d", "lwm2m=1.1", "b=u"], "4.00", "a small letter"),
    (["ep=d", "lwm2m=1.1", "b=U", "b=U"], "4.00", "two bindings"),
    (["ep=d", "lwm2m=1.1", "b=UQ"], "4.00", "Q as a letter in 1.1"),
    (["ep=d", "lwm2m=1.2", "b=UQ"], "4.00", "Q as a letter in 1.2"),
    (["ep=d", "lwm2m=1.0", "b=UT"], "4.00", "TCP in 1.0"),
    (["ep=d", "lwm2m=1.0", "b=UN"], "4.00", "non-IP in 1.0"),
    (["ep=d", "lwm2m=1.1", "b=UM"], "4.00", "MQTT in 1.1"),
    (["ep=d", "lwm2m=1.1", "b=UH"], "4.00", "HTTP in 1.1"),
    (["ep=d", "lwm2m=1.1", "Q=1"], "4.00", "Q with a value"),
    (["ep=d", "lwm2m=1.1", "Q="], "4.00", "Q with an empty value"),
    (["ep=d", "lwm2m=1.0", "Q"], "4.00", "Q as a parameter in 1.0"),
    (["ep=d", "lwm2m=1.1", "=x"], "4.00", "a parameter without a name"),
    (["ep=d", "lwm2m=1.1", ""], "4.00", "an empty parameter"),
    (["ep=d", "lwm2m=1.1", b"a=\x00"], "4.00", "a zero byte"),
]


@pytest.mark.parametrize("query, code, why", REFUSED, ids=[why for *_, why in REFUSED])
def test_a_register_is_refused_for(query, code, why):
    device = World().device()
    answer = device.ask(POST, "rd", query=query, payload=LINKS)
    assert answer.code == code
    device.hear_nothing()
    world = device.world
    assert world.engine.device_count() == 0
    assert world.count("register_malformed") + world.count("register_version") == 1
    assert world.count("link_sets_current") == 0


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"<", b"</", b"</3/0", b'</>;rt="x', b"</3/0>;ver=", b"\xff\xff"]
)
def test_a_register_without_usable_links_is_refused(payload):
    device = World().device()
    assert device.register(expected="4.00", payload=payload) == ""
    assert device.world.count("register_malformed") == 1
    assert device.world.engine.device_count() == 0


def test_a_register_must_be_confirmable():
    device = World().device()
    answer = device.ask(POST, "rd", kind=NON, **register_parts())
    assert answer.code == "4.00"
    assert device.world.engine.device_count() == 0


@pytest.mark.parametrize("path", ["rd/AAAAAAAAAAAAAA/x", "rd/a/b/c", "rd/" + "x/" * 9])
def test_a_registration_has_one_segment_behind_rd(path):
    assert World().device().ask(POST, path).code == "4.00"


def test_what_is_refused_names_the_fault():
    answer = World().device().ask(POST, "rd", query=["ep=d", "lwm2m=1.1", "lt=abc"], payload=LINKS)
    assert answer.payload.startswith(b"lt must be given once, as a number")


@pytest.mark.parametrize("name", ["x" * 255, "\u20ac" * 85, "\U0001f600" * 63, "a b/c?d=e&f;%"])
def test_an_endpoint_name_of_up_to_255_bytes_of_utf8_is_kept(name):
    world = World()
    world.device().register(name)
    assert world.shown(name)["endpoint"] == name
    assert world.kinds() == [("registered", name)]


def test_an_endpoint_name_of_256_bytes_is_refused():
    World().device().register("x" * 256, expected="4.02")


def test_additional_parameters_are_kept_as_they_came():
    world = World()
    query = ["foo=bar", "flag", "eq=a=b", "sms=+49123", "at=1", b"raw=\xff"]
    world.device().register(query=query)
    shown = world.shown("dev-1")
    assert shown["sms"] == "+49123"
    assert shown["attributes"] == {
        "foo": "bar",
        "flag": None,
        "eq": "a=b",
        "at": "1",
        "raw": "\N{REPLACEMENT CHARACTER}",
    }


def test_32_parameters_fit_and_one_more_does_not():
    world = World()
    world.device().register(query=[f"k{i}" for i in range(29)])
    assert len(world.shown("dev-1")["attributes"]) == 29
    world.device().register("dev-2", query=[f"k{i}" for i in range(30)], expected="4.00")


@pytest.mark.parametrize(
    "links, root, objects",
    [
        (b"</1/0>,</3/0>,", "/", {"1": [0], "3": [0]}),
        (b" </1/0> , </3/0>\t,\n</3303/65534>", "/", {"1": [0], "3": [0], "3303": [65534]}),
        (b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>,</3/1>', "/lwm2m", {"3": [0]}),
        (b"</lwm2m>;rt=oma.lwm2m,</lwm2m/3/0>", "/lwm2m", {"3": [0]}),
        (b'</a/b>;rt="oma.lwm2m",</a/b/3/0>', "/a/b", {"3": [0]}),
        (b"</3>", "/", {"3": []}),
        (b"</3/0>,</3/1>,</3/0>", "/", {"3": [0, 1]}),
    ],
)
def test_links_are_read_tolerantly(links, root, objects):
    world = World()
    world.device().register(payload=links)
    shown = world.shown("dev-1")
    assert shown["root"] == root
    assert {key: item["instances"] for key, item in shown["objects"].items()} == objects
    assert shown["links"] == links.decode()


# Who may


def test_an_endpoint_that_is_not_provisioned_is_refused_without_a_word():
    world = World(policy="provisioned")
    answer = world.device().send(register("dev-1")).hear()
    assert (answer.code, answer.payload) == ("4.03", b"")
    assert world.count("register_forbidden") == 1
    assert world.count("peers_current") == 0


def test_an_endpoint_that_is_provisioned_registers_until_it_is_withdrawn():
    world = World(policy="provisioned")
    world.engine.allow(["dev-1", "d\u00e9v"])
    location = world.device().register("dev-1")
    world.device("192.0.2.2:1").register("d\u00e9v")
    world.engine.disallow("dev-1")
    world.device().update(location)  # what it has, it has
    world.device().register("dev-1", expected="4.03")
    assert world.engine.device("dev-1") is not None


# Register again


def test_a_second_register_replaces_the_first():
    world = World()
    device = world.device()
    first = device.register("dev-1", query=["old=1"])
    reads = [world.read("dev-1", 3, 0, n) for n in range(4)]
    device.hear_all()
    world.events.clear()
    second = device.register("dev-1", query=["new=1"])
    assert world.outcomes() == [(call, "cancelled") for call in reads]
    (event,) = world.events
    assert (event.kind, event.data["replaces"]) == ("registered", first.removeprefix("rd/"))
    assert event.data["registration_id"] == second.removeprefix("rd/")
    assert world.shown("dev-1")["attributes"] == {"new": "1"}
    device.update(first, "4.04")
    device.leave(first, "4.04")
    device.update(second)
    assert world.engine.device_count() == 1


def test_a_first_registration_replaces_nothing():
    world = World()
    world.device().register()
    assert "replaces" not in world.events[0].data


def test_a_device_that_left_registers_again_as_a_new_one():
    world = World()
    device = world.device()
    device.leave(device.register())
    world.events.clear()
    device.register()
    assert "replaces" not in world.events[0].data
    assert world.count("registrations_created") == 2


def test_a_second_register_from_elsewhere_moves_the_device():
    world = World()
    world.device("192.0.2.1:1").register()
    world.device("192.0.2.2:2").register()
    assert world.shown("dev-1")["address"] == "192.0.2.2:2"
    world.read("dev-1", 3, 0)
    world.device("192.0.2.1:1").hear_nothing()
    assert world.device("192.0.2.2:2").hear().path == [b"3", b"0"]
