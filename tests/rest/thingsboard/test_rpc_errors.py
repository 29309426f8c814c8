"""RPC requests that come to nothing: which code is told, and that nothing else happens."""

from __future__ import annotations

import time
from typing import Any

import pytest
from rpc_service import Answer, Rpc

from lwm2m_fast.errors import QueueFull, StoreError

READ = {"method": "Read", "params": {"id": "/3/0/9"}}


@pytest.fixture
def rpc() -> Rpc:
    return Rpc()


def refused(rpc: Rpc, method: str, **params: Any) -> str:
    """The error of a request that is refused before anything is sent."""
    told = rpc.ask(method, **params)
    assert told["result"] == "BAD_REQUEST", told
    assert "value" not in told
    assert not rpc.service.submitted
    return str(told["error"])


# What is asked for


@pytest.mark.parametrize("name", ["ReadAll", "Write", "read", "READ", "", " Read", "__class__"])
def test_a_method_that_there_is_not_is_not_allowed(rpc: Rpc, name: str) -> None:
    answer = rpc.post({"method": name, "params": {"id": "/3/0/9"}})
    if name:
        assert answer.json()["result"] == "METHOD_NOT_ALLOWED"
        assert name in answer.json()["error"]
    else:
        assert answer.status_code == 400
    assert not rpc.service.submitted


def test_a_device_that_is_not_registered_is_an_internal_error(rpc: Rpc) -> None:
    told = rpc.post(READ, endpoint="nobody").json()
    assert told == {
        "result": "INTERNAL_SERVER_ERROR", "error": "no device is registered as 'nobody'"
    }  # fmt: skip


@pytest.mark.parametrize(
    "method, params, said",
    [
        ("Read", {}, "id: missing, and so is key"),
        ("Observe", {"ids": ["/3"]}, "id: missing"),
        ("ReadComposite", {"id": "/3/0/9"}, "ids: missing, and so is keys"),
        ("ReadComposite", {"ids": "/3/0/9"}, "ids: a list is needed"),
        ("ReadComposite", {"ids": []}, "ids: a list is needed"),
        ("Discover", {"key": "batteryLevel"}, "id: missing"),
        ("WriteReplace", {"id": "/3/0/14"}, "value: missing"),
        ("WriteUpdate", {"id": "/3/0"}, "value: missing"),
        ("WriteUpdate", {"id": "/3/0", "value": "x"}, "value: an object is needed"),
        ("WriteComposite", {}, "nodes: missing"),
        ("WriteComposite", {"nodes": ["/3/0/14"]}, "nodes: an object is needed"),
        ("WriteComposite", {"nodes": {"/3/0/14": [1]}}, "no primitive value"),
        ("WriteComposite", {"nodes": {"/3/0/14": None}}, "no primitive value"),
        ("WriteComposite", {"nodes": {"/3/0/14": "a", "/3_1.1/0/14": "b"}}, "given twice"),
        ("WriteAttributes", {"id": "/3/0/9"}, "attributes: missing"),
        ("WriteAttributes", {"id": "/3/0/9", "attributes": {"ver": "1.0"}}, "ver"),
        ("Execute", {"id": "/3/0/4", "value": "5=60"}, "argument"),
        ("Execute", {"id": "/3/0"}, "a resource is needed"),
        ("Execute", {"id": "/3341/0/4"}, "has no object 3341"),
        ("Delete", {"id": "/3303"}, "/3303 is an object; an object instance is needed"),
        ("Delete", {"id": "/3303/0/5700"}, "is a resource; an object instance is needed"),
        ("WriteReplace", {"id": "/3/0", "value": {"14": "x"}}, "a resource or a resource instance"),
        ("WriteUpdate", {"id": "/3", "value": {}}, "an object instance or a resource"),
        ("WriteReplace", {"id": "/19/0/0/0", "value": "0g="}, "neither hexadecimal nor base64"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    rpc: Rpc, method: str, params: dict[str, Any], said: str
) -> None:
    assert said in refused(rpc, method, **params)


@pytest.mark.parametrize(
    "given", ["3/0/9", "/", "", "/3/0/9/1/2", "/x", "/3_1/0", "/3/0_1.0", "/65536/0", 7, "/3//0"]
)
def test_an_id_that_is_no_path_is_refused(rpc: Rpc, given: Any) -> None:
    assert "id" in refused(rpc, "Read", id=given)


@pytest.mark.parametrize("method", ["Read", "Delete", "WriteReplace", "Execute", "Observe"])
def test_object_0_is_never_reached(rpc: Rpc, method: str) -> None:
    assert "object 0" in refused(rpc, method, id="/0/0", value="x")


# Versions


@pytest.mark.parametrize(
    "given, right",
    [
        ("/3_1.0/0/9", "/3_1.1"),
        ("/3_1.2/0/9", "/3_1.1"),
        ("/5_1.1/0/3", "/5_1.0"),
        ("/3_1.10/0/9", "/3_1.1"),
    ],
)
def test_a_wrong_version_is_answered_with_the_right_one(rpc: Rpc, given: str, right: str) -> None:
    assert refused(rpc, "Read", id=given).endswith(right)


def test_the_version_of_an_object_registered_without_one_can_be_configured(rpc: Rpc) -> None:
    rpc.service.set_for["dev-1"] = {"defaultObjectIDVer": "1.2"}
    assert refused(rpc, "Read", id="/5_1.0/0/3").endswith("/5_1.2")
    assert rpc.ask("Delete", id="/5_1.2/0")["result"] == "DELETED"
    assert "3_1.1" in rpc.ask("Read", id="/3_1.2/0/9")["error"]  # this one came with a version


@pytest.mark.parametrize("given", ["/1_7.7/0/8", "/1_7.7/0/9", "/1_1.0/0/8", "/1/0/8"])
def test_the_triggers_are_executed_whatever_the_version(rpc: Rpc, given: str) -> None:
    assert rpc.ask("Execute", id=given)["result"] == "CHANGED"


def test_other_resources_of_object_1_have_a_version(rpc: Rpc) -> None:
    assert refused(rpc, "Read", id="/1_7.7/0/1").endswith("/1_1.0")


def test_a_version_of_an_object_that_is_not_registered_is_no_right_one(rpc: Rpc) -> None:
    assert "has no object 3341" in refused(rpc, "Read", id="/3341_1.0/0")


# Keys


def test_a_key_that_no_resource_has_is_refused(rpc: Rpc) -> None:
    assert "no resource of 'dev-1' has the key 'Battery Level'" in refused(
        rpc, "Read", key="Battery Level"
    )
    assert "key: 7 is no name" in refused(rpc, "Read", key=7)


def test_a_key_of_several_resources_names_them(rpc: Rpc) -> None:
    said = refused(rpc, "Read", key="sensorValue")
    assert "/3303/0/5700, /3303/1/5700; give an id" in said


# Overlaps


@pytest.mark.parametrize("path", ["/3/0/9", "/3/0", "/3", "/3/0/9/1"])
def test_an_observation_may_not_overlap_another(rpc: Rpc, path: str) -> None:
    rpc.service.observe("/3/0/9")
    if path == "/3/0/9":  # the same again stays one
        rpc.service.answers["observe"] = Answer(69, 110, b'[{"bn":"/3/0/9","v":95}]')
        assert rpc.ask("Observe", id=path)["result"] == "CONTENT"
    else:
        assert "overlaps /3/0/9" in refused(rpc, "Observe", id=path)


def test_nor_a_path_of_a_composite_one(rpc: Rpc) -> None:
    rpc.service.observe("/3/0/9", "/5/0", is_composite=True)
    assert "/5/0/3 overlaps /5/0" in refused(rpc, "Observe", id="/5/0/3")
    assert "/3/0/9 overlaps /3/0/9" in refused(rpc, "Observe", id="/3/0/9")


def test_nor_a_composite_one_what_is_observed_or_itself(rpc: Rpc) -> None:
    rpc.service.observe("/3/0/9")
    said = refused(rpc, "ObserveComposite", ids=["/5/0", "/3/0"])
    assert "/3/0 overlaps /3/0/9" in said
    said = refused(rpc, "ObserveComposite", ids=["/5/0", "/5/0/3"])
    assert "/5/0/3 overlaps /5/0" in said


def test_paths_that_only_begin_alike_do_not_overlap(rpc: Rpc) -> None:
    rpc.service.observe("/3/0/1")
    rpc.service.answers["observe"] = Answer(69, 110, b'[{"bn":"/3/0/11/0","v":1}]')
    assert rpc.ask("Observe", id="/3/0/11")["result"] == "CONTENT"


# What the device and the queue say


@pytest.mark.parametrize(
    "code, name",
    [
        (0x80, "BAD_REQUEST"),
        (0x84, "NOT_FOUND"),
        (0x85, "METHOD_NOT_ALLOWED"),
        (0x8F, "UNSUPPORTED_CONTENT_FORMAT"),
        (0xA0, "INTERNAL_SERVER_ERROR"),
        (0xBF, "INTERNAL_SERVER_ERROR"),
    ],
)
def test_a_refusal_of_the_device_passes_through(rpc: Rpc, code: int, name: str) -> None:
    rpc.service.answers["write"] = Answer(code, None, b"not today")
    told = rpc.ask("WriteReplace", id="/3/0/0", value="Anvil")  # read-only, as the model has it
    assert told == {"result": name, "error": "not today"}


def test_what_cannot_be_done_with_this_device_is_a_bad_request(rpc: Rpc) -> None:
    rpc.service.registered["dev-1"]["lwm2m_version"] = "1.0"
    told = rpc.ask("ReadComposite", ids=["/3/0/9", "/5/0/3"])
    assert told["result"] == "BAD_REQUEST"
    assert "needs LwM2M 1.1" in told["error"]


@pytest.mark.parametrize("why", ["reset", "malformed", "too_large"])
def test_an_end_without_an_answer_is_an_internal_error(rpc: Rpc, why: str) -> None:
    rpc.service.answers["read"] = why
    assert rpc.ask("Read", id="/3/0/9") == {"result": "INTERNAL_SERVER_ERROR", "error": why}


def test_an_answer_that_cannot_be_read_is_an_internal_error(rpc: Rpc) -> None:
    rpc.service.answers["read"] = Answer(69, 110, b"{")
    told = rpc.ask("Read", id="/3/0/9")
    assert told["result"] == "INTERNAL_SERVER_ERROR"
    assert told["error"]


def test_silence_is_a_timeout_and_the_operation_is_given_up(rpc: Rpc) -> None:
    rpc.service.answers["read"] = "silence"
    answer = rpc.post({**READ, "timeout": 250})
    assert answer.status_code == 504
    assert answer.json() == {
        "result": "GATEWAY_TIMEOUT", "error": "the device did not answer in time"
    }  # fmt: skip
    assert rpc.service.waits == [("dev-1", 1, pytest.approx(0.25, abs=0.2))]
    assert rpc.service.cancelled == [1]


def test_an_operation_ends_with_the_time_of_its_caller(rpc: Rpc) -> None:
    before = time.time()
    rpc.post({**READ, "timeout": 5000})
    [(_, _, terms)] = rpc.service.submitted
    assert terms["origin"] == "rpc"
    assert before + 5 <= terms["valid_until"] <= time.time() + 5


def test_a_persistent_request_is_kept_and_answered_with_its_number(rpc: Rpc) -> None:
    answer = rpc.post({**READ, "persistent": True})
    assert answer.status_code == 202
    assert answer.json() == {"rpcId": "1"}
    assert rpc.service.operation("dev-1", 1) is not None
    [(_, _, terms)] = rpc.service.submitted
    assert terms == {"origin": "rpc"}


@pytest.mark.parametrize("error, status", [(QueueFull("'dev-1'", 9), 429), (StoreError("x"), 503)])
def test_what_cannot_be_queued_is_a_problem(rpc: Rpc, error: Exception, status: int) -> None:
    rpc.service.refusal = error
    answer = rpc.post(READ)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


# The request itself


@pytest.mark.parametrize(
    "body",
    [
        [],
        "Read",
        {},
        {"method": 7},
        {"method": None},
        {**READ, "timeout": 0},
        {**READ, "timeout": 600_001},
        {**READ, "timeout": "5"},
        {**READ, "timeout": True},
        {**READ, "persistent": 1},
    ],
)
def test_a_body_that_is_no_rpc_request_is_a_problem(rpc: Rpc, body: Any) -> None:
    answer = rpc.post(body)
    assert answer.status_code == 400
    assert not rpc.service.submitted


@pytest.mark.parametrize("params", ["[1]", "{", 7, ["id"]])
def test_params_must_be_an_object(rpc: Rpc, params: Any) -> None:
    told = rpc.post({"method": "Read", "params": params}).json()
    assert told["result"] == "BAD_REQUEST"
    assert "params" in told["error"]


@pytest.mark.parametrize("params", [None, "", "  ", {}])
def test_a_method_without_parameters_needs_none(rpc: Rpc, params: Any) -> None:
    assert rpc.post({"method": "DiscoverAll", "params": params}).json()["result"] == "CONTENT"


def test_params_may_be_json_in_text(rpc: Rpc) -> None:
    told = rpc.post({"method": "Execute", "params": '{"id": "/3/0/4"}'}).json()
    assert told == {"result": "CHANGED"}


def test_it_takes_the_role_that_operates(rpc: Rpc) -> None:
    assert rpc.post(READ, role="read").status_code == 403
    assert not rpc.service.submitted
