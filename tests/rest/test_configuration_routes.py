"""Devices' configurations over HTTP: our own routes and those of existing tools."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fake_service import Api

from lwm2m_fast.fleet.csv_rows import EXPORTED, MAX_BYTES
from tests.fleet.configuration_samples import SAMPLE
from tests.fleet.csv_samples import csv_of
from tests.provisioning.provisioning_kit import NO_SEC, psk

ALL = "/api/v1/configurations"
AGENT = "/service/lwm2m-agent/deviceRegistration"
BULK = AGENT + "/bulk"
CSV = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri\n"


def csv(*names: str) -> bytes:
    return (CSV + "".join(f"{name};NO_SEC;NO_SEC;coap://h\n" for name in names)).encode()


def send(api: Api, method: str, data: bytes, **more: Any) -> Any:
    files = {"file": ("devices.csv", data, "text/csv")}
    return api.ask(method, BULK, files=files, **more)


def test_the_sample_of_existing_tools_registers_a_device(api: Api) -> None:
    for path in (AGENT, AGENT + "/"):
        body = copy.deepcopy(SAMPLE) | {"endpointId": path}
        body["bootstrapSecurity"]["bootstrapId"] = path
        answer = api.ask("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["endpointId"] == path
        assert answer.json()["serverSecurity"] == {"securityMode": "X509"}
        assert "AABB3104D212" not in answer.text


def test_a_device_goes_by_its_id(api: Api) -> None:
    number = api.ask("POST", AGENT, json=SAMPLE).json()["id"]
    inventory = f"/inventory/managedObjects/{number}"
    assert api.get(inventory).json()["registrationLifetime"] == 12000
    changed = api.ask("PUT", inventory, json={"awakeTimeRegistrationParameter": 180000})
    assert changed.json()["awakeTimeRegistrationParameter"] == 180000
    assert api.service.provisioned.settings.get(SAMPLE["endpointId"]).awake_ms == 180000
    assert api.ask("DELETE", f"{AGENT}/{number}").status_code == 204
    assert api.ask("DELETE", f"{AGENT}/{number}").status_code == 404
    assert api.ask("POST", AGENT, json=SAMPLE).status_code == 201


def test_a_bare_deletion_keeps_the_name_taken(api: Api) -> None:
    number = api.ask("POST", AGENT, json=SAMPLE).json()["id"]
    assert api.ask("DELETE", f"/inventory/managedObjects/{number}").status_code == 204
    assert api.ask("POST", AGENT, json=SAMPLE).status_code == 409


@pytest.mark.parametrize("segment", ["0", "x", "-1", "99999999999999999999", "%C3%A9"])
def test_an_id_that_nobody_has(api: Api, segment: str) -> None:
    assert api.ask("DELETE", f"{AGENT}/{segment}").status_code == 404
    assert api.get(f"/inventory/managedObjects/{segment}").status_code == 404


def test_what_is_wrong_is_named_and_nothing_is_kept(api: Api) -> None:
    body = copy.deepcopy(SAMPLE)
    body["serverSecurity"] = {"securityMode": "PSK", "pskKey": "0dd"}
    answer = api.ask("POST", AGENT, json=body)
    assert answer.status_code == 400
    assert "serverSecurity.pskKey a key is an even number of" in answer.json()["detail"]
    assert "0dd" not in answer.text.replace("odd", "")
    assert api.service.provisioned.rows()["device"] == 0


def test_how_it_bootstraps_must_be_said_on_the_tools_route_only(api: Api) -> None:
    assert api.ask("POST", AGENT, json=NO_SEC).status_code == 400
    assert api.ask("POST", ALL, json=NO_SEC).status_code == 201


@pytest.mark.parametrize("role", ["read", "operate"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", AGENT), ("POST", BULK), ("DELETE", BULK), ("DELETE", AGENT + "/1"),
        ("PUT", "/inventory/managedObjects/1"), ("DELETE", "/inventory/managedObjects/1"),
        ("POST", ALL), ("PATCH", ALL + "/d"), ("DELETE", ALL + "/d"), ("PUT", ALL + "/d/basic"),
    ],
)  # fmt: skip
def test_writing_needs_an_admin(api: Api, method: str, path: str, role: str) -> None:
    assert api.ask(method, path, role, json={}).status_code == 403


def test_a_generated_key_is_shown_once(api: Api) -> None:
    body = {"endpointId": "d", "serverSecurity": {"securityMode": "PSK_GENERATED"}}
    made = api.ask("POST", ALL, json=body)
    key = made.json()["generated"]["serverSecurity.pskKey"]
    assert api.service.provisioned.credentials.psk(b"d") == (bytes.fromhex(key), "d")
    assert key not in api.get(ALL + "/d").text + api.get(ALL).text
    assert made.headers["cache-control"] == "no-store"


def test_a_list_is_each_by_itself(api: Api) -> None:
    answer = api.ask("POST", ALL, json=[psk("a", "1"), psk("b", "1"), 7, psk("c", "2")])
    assert answer.status_code == 201
    results = answer.json()["results"]
    assert answer.json()["added"] == 2
    assert [one.get("endpointId") for one in results] == ["a", "b", None, "c"]
    assert results[1]["error"] == ("the PSK identity '1' of endpoint 'b' belongs to endpoint 'a'")
    assert results[2]["error"] == "the body must be an object"


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_a_body_that_is_neither_is_refused(api: Api, body: Any) -> None:
    assert api.ask("POST", ALL, json=body).status_code == 400


def test_the_list_goes_on_to_its_end(api: Api) -> None:
    api.ask("POST", ALL, json=[NO_SEC | {"endpointId": f"d-{i}"} for i in range(5)])
    first = api.get(f"{ALL}?limit=2").json()
    assert [one["endpointId"] for one in first["configurations"]] == ["d-0", "d-1"]
    rest = api.get(f"{ALL}?limit=3&after={first['next_after']}").json()
    assert [one["endpointId"] for one in rest["configurations"]] == ["d-2", "d-3", "d-4"]


def test_a_change_keeps_what_it_does_not_name(api: Api) -> None:
    api.ask("POST", ALL, json=psk("d", "i"))
    changed = api.ask("PATCH", ALL + "/d", json={"registrationLifetime": 60})
    assert (changed.status_code, changed.json()["registrationLifetime"]) == (200, 60)
    assert changed.json()["serverSecurity"]["pskKey"] == "********"
    assert api.service.provisioned.credentials.psk(b"i") == (b"\x00\xff", "d")
    assert api.ask("PATCH", ALL + "/d", json={"endpointId": "e"}).status_code == 400
    assert api.ask("PATCH", ALL + "/x", json={}).status_code == 404


@pytest.mark.parametrize(
    ("group", "given"),
    [
        ("basic", {"awakeTime": 5000, "binaryEncoding": "TLV", "requestTimeout": 20000}),
        ("bootstrap", {"securityInstanceOffset": 3, "generateBootstrapServer": True}),
        ("firmware", {"url": "coap://x", "resetMethod": "PACKAGE"}),
        ("connectivity", {"serverConnectivity": {"mode": "PSK", "pskId": "n", "pskKey": "aa"}}),
    ],
)
def test_a_group_is_read_and_written(api: Api, group: str, given: dict[str, Any]) -> None:
    api.ask("POST", ALL, json=SAMPLE | {"endpointId": "d"})
    assert api.get(f"{ALL}/d/{group}").status_code == 200
    answer = api.ask("PUT", f"{ALL}/d/{group}", json=given)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    for name, value in given.items():
        if isinstance(value, dict):
            assert shown[name] == value | {"pskKey": "********"}
        else:
            assert shown[name] == value


def test_the_servers_are_a_list(api: Api) -> None:
    api.ask("POST", ALL, json=SAMPLE | {"endpointId": "d"})
    (first,) = api.get(f"{ALL}/d/servers").json()
    assert (first["id"], first["uri"], first["serverId"]) == (0, SAMPLE["lwm2mServerUri"], 1)
    second = {"uri": "coap://other", "serverId": 2, "security": {"mode": "NO_SEC"}}
    answer = api.ask("PUT", f"{ALL}/d/servers", json=[first, second])
    assert answer.status_code == 200, answer.text
    assert [one["serverId"] for one in answer.json()] == [1, 2]
    for wrong in ([], {}, [7], [{**first, "security": None}], [{**first, "x": 1}]):
        assert api.ask("PUT", f"{ALL}/d/servers", json=wrong).status_code == 400


@pytest.mark.parametrize(("method", "path"), [("PATCH", "a"), ("PUT", "a/basic")])
def test_what_lies_very_deep_is_refused_as_what_is_unknown(
    api: Api, method: str, path: str
) -> None:
    given = {"endpointId": "a", "serverSecurity": {"securityMode": "NO_SEC"}}
    assert api.ask("POST", "/api/v1/configurations", json=given).status_code == 201
    deep = b'{"a":' * 1020 + b"1" + b"}" * 1020
    refused = api.ask(method, f"/api/v1/configurations/{path}", content=deep)
    assert refused.status_code == 400
    assert len(refused.json()["detail"]) < 200


def test_unknown_groups_and_settings_are_refused(api: Api) -> None:
    api.ask("POST", ALL, json=NO_SEC)
    assert api.get(f"{ALL}/d-1/nothing").status_code == 404
    answer = api.ask("PUT", f"{ALL}/d-1/basic", json={"awaketime": 1})
    assert (answer.status_code, answer.json()["detail"]) == (
        400, "awaketime is no setting of this group",
    )  # fmt: skip


def test_the_metadata_are_schemas_of_every_field(api: Api) -> None:
    told = api.get(AGENT + "/metadata?lang=de").json()["c8y_DeviceRegistration"]
    fields = {name for page in told["pages"] for name in page["properties"]}
    assert set(SAMPLE) <= fields
    assert all(page["$schema"].endswith("2020-12/schema") for page in told["pages"])
    assert told["pages"][0]["required"] == ["endpointId"]
    template = api.get(told["bulk"]["exampleFileUrls"][0]["url"])
    assert template.text == ";".join(EXPORTED) + "\r\n"
    assert template.headers["content-type"].startswith("text/csv")


TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


def unfit(schema: dict[str, Any], given: Any, parts: dict[str, Any]) -> list[str]:
    """What of `given` is against a schema, as far as the metadata use JSON Schema."""
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        found = [unfit(one, given, parts) for one in schema["anyOf"]]
        return [] if [] in found else found[0]
    if schema["type"] == "null":
        return [] if given is None else ["no null"]
    if type(given) is not TYPES[schema["type"]]:
        return [f"{given!r} is no {schema['type']}"]
    wrong = [f"{name} is missing" for name in schema.get("required", ()) if name not in given]
    if "enum" in schema and given not in schema["enum"]:
        wrong.append(f"{given!r} is none of {schema['enum']}")
    for name, each in schema.get("properties", {}).items():
        if name in given:
            wrong += unfit(each, given[name], parts)
    return wrong


def test_the_sample_of_existing_tools_fits_the_metadata(api: Api) -> None:
    """Row P2; a form that is made of them asks for all that a registration needs."""
    told = api.get(AGENT + "/metadata").json()["c8y_DeviceRegistration"]
    for page in told["pages"]:
        assert unfit(page, SAMPLE, page["$defs"]) == []
    security = told["pages"][1]
    assert security["required"] == ["bootstrapSecurity", "serverSecurity"]
    for name in security["required"]:
        without = {key: value for key, value in SAMPLE.items() if key != name}
        assert unfit(security, without, security["$defs"]) == [f"{name} is missing"]
        assert api.ask("POST", AGENT, json=without).status_code == 400
    key = security["$defs"]["ServerSecurity"]["properties"]["pskKey"]["anyOf"][0]
    assert (key["pattern"], key["writeOnly"]) == ("^([a-fA-F0-9]{2})+$", True)


def test_a_file_of_devices_is_an_operation(api: Api) -> None:
    answer = send(api, "POST", csv("a", "b"))
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/imports/{answer.json()['id']}"
    told = api.get(answer.headers["location"]).json()
    assert (told["status"], told["succeeded"], told["name"]) == ("SUCCESSFUL", 2, "devices.csv")
    gone = send(api, "DELETE", csv("a", "x"))
    told = api.get(gone.headers["location"]).json()
    assert (told["status"], told["errors"]) == (
        "FAILED", [{"line": 3, "endpointId": "x", "reason": "no device is configured as 'x'"}],
    )  # fmt: skip
    assert [one["id"] for one in api.get("/api/v1/imports").json()["imports"]] == ["2", "1"]


def test_a_file_with_keys_touches_no_disk_before_it_is_sealed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rolled_over(file: object) -> None:
        raise AssertionError("the file was laid down in the open")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", rolled_over)
    assert send(api, "POST", csv("a") + b"\n" * 3_000_000).status_code == 202


def test_a_file_may_be_the_body_itself(api: Api) -> None:
    answer = api.ask("POST", BULK, content=csv("a"), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 202


def test_the_bound_on_a_file_is_exact(api: Api) -> None:
    assert send(api, "POST", csv_of(MAX_BYTES)).status_code == 202
    assert send(api, "POST", csv_of(MAX_BYTES + 1)).status_code == 413
    assert api.service.provisioned.rows()["device"] == 1
    text = {"Content-Type": "text/csv"}
    assert api.ask("POST", BULK, content=csv_of(MAX_BYTES + 1), headers=text).status_code == 413


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"json": {}}, 415),
        ({"files": {"other": ("x.csv", b"endpoint id\n")}}, 400),
        ({"data": {"file": "endpoint id"}, "files": {"x": ("x", b"")}}, 400),
        ({"files": {"file": ("x.csv", b"foo\n")}}, 400),
        ({"files": {"file": ("x.csv", b"")}}, 400),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"content": b"nonsense",
          "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
    ],
)  # fmt: skip
def test_what_is_no_file_is_refused(api: Api, more: dict[str, Any], status: int) -> None:
    assert api.ask("POST", BULK, **more).status_code == status
    assert api.service.provisioned.jobs.page("default", 9) == []


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999999999"])
def test_a_file_that_nobody_sent(api: Api, number: str) -> None:
    assert api.get(f"/api/v1/imports/{number}").status_code == 404


def test_a_device_whose_shell_is_switched_off_takes_no_commands(api: Api) -> None:
    legacy = (
        "ID;IDTYPE;CREDENTIALS;NAME;TYPE;SHELL;c8y_GenericUi;com_cumulocity_model_Agent;"
        "endpoint id;lwm2m server uri;securityMode\n"
    )
    for name, shell in (("on", "1"), ("off", "0")):
        row = f"{name};c8y_Id;Abcdefghij1!;{name};c8y_lwm2m;{shell};{{}};1;{name};coap://h;NO_SEC\n"
        job = send(api, "POST", (legacy + row).encode()).json()
        assert api.get(f"/api/v1/imports/{job['id']}").json()["succeeded"] == 1
    refused = api.ask("POST", "/api/v1/devices/off/shell", content="read /3/0/0")
    assert refused.status_code == 403
    assert refused.json()["detail"] == "shell commands are switched off for 'off'"
    assert not api.service.submitted
    assert api.ask("POST", "/api/v1/devices/on/shell", content="read /3/0/0").status_code < 300


# What was shown, sent back


def with_further_servers() -> dict[str, Any]:
    security = {"securityMode": "PSK", "pskId": "o", "pskKey": "0badc0de"}
    return psk("d-1", "i-1") | {
        "furtherServers": [{"uri": "coaps://o", "serverId": 5, "security": security}]
    }


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_all_of_what_was_shown_can_be_sent_back(api: Api, method: str) -> None:
    number = api.ask("POST", ALL, json=with_further_servers()).json()["id"]
    path = f"{ALL}/d-1" if method == "PATCH" else f"/inventory/managedObjects/{number}"
    registry = api.service.provisioned.registry
    before = registry.get("d-1")
    shown = api.get(path).json()
    answer = api.ask(method, path, json=shown | {"registrationLifetime": 60})
    assert (answer.status_code, answer.json()["registrationLifetime"]) == (200, 60)
    after = registry.get("d-1")
    assert after.configuration.server_security == before.configuration.server_security
    assert after.configuration.further_servers == before.configuration.further_servers
    refused = api.ask(method, path, json=shown | {"tenant": "another"})
    assert refused.status_code == 400
    assert refused.json()["detail"] == "tenant is 'another': it is 'default' and stays so"


@pytest.mark.parametrize("group", ["basic", "bootstrap", "servers", "connectivity", "firmware"])
def test_every_group_that_was_shown_can_be_sent_back(api: Api, group: str) -> None:
    """Also of a device that may not bootstrap, whose connection there is shown as null."""
    for given in (with_further_servers(), NO_SEC | {"endpointId": "d-2"}):
        api.ask("POST", ALL, json=given)
        name = given["endpointId"]
        path = f"{ALL}/{name}/{group}"
        before = api.service.provisioned.registry.get(name)
        shown = api.get(path).json()
        answer = api.ask("PUT", path, json=shown)
        assert (answer.status_code, answer.json()) == (200, shown)
        assert api.service.provisioned.registry.get(name) == before


def test_a_list_of_servers_says_nothing_of_the_bootstrap_server(api: Api) -> None:
    api.ask("POST", ALL, json=NO_SEC)
    (server,) = api.get(f"{ALL}/d-1/servers").json()
    answer = api.ask("PUT", f"{ALL}/d-1/servers", json=[server | {"bootstrap": True}])
    assert answer.status_code == 400
    assert "servers.0.bootstrap cannot be set" in answer.json()["detail"]
