"""Files of devices on the command line."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path

import pytest
from fake_service import Api
from outcome import Run

from lwm2m_fast.fleet.csv_rows import EXPORTED

HEADER = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "devices.csv"


def test_a_file_is_imported_and_every_refused_row_is_told(admin: Run, api: Api, file: Path) -> None:
    file.write_text(HEADER + "a;NO_SEC;NO_SEC;coap://h\nb;PSK;NO_SEC;coaps://h\n")
    done = admin("devices", "import", str(file))
    assert done.code == 1
    assert "3     b         serverSecurity.pskId is missing" in done.out
    assert done.out.endswith("1 rows done, 1 refused\n")
    assert api.service.provisioned.registry.get("a") is not None


def test_a_good_file_is_a_success(admin: Run, file: Path) -> None:
    file.write_text(HEADER + "a;NO_SEC;NO_SEC;coap://h\n")
    done = admin("devices", "import", str(file), "--json")
    assert done.code == 0
    assert json.loads(done.out)["status"] == "SUCCESSFUL"


def test_the_devices_of_a_file_are_forgotten(admin: Run, api: Api, file: Path) -> None:
    file.write_text(HEADER + "a;NO_SEC;NO_SEC;coap://h\nb;NO_SEC;NO_SEC;coap://h\n")
    admin("devices", "import", str(file))
    file.write_text("endpoint id\na\n")
    assert admin("devices", "forget", str(file)).out == "1 rows done, 0 refused\n"
    assert [one.endpoint for one in api.service.provisioned.registry.page(None, 9)[0]] == ["b"]


def test_what_was_exported_can_be_imported_again(admin: Run, api: Api, file: Path) -> None:
    rows = HEADER.strip() + ";registrationLifetime;enableResourceLevelTimestamp\n"
    rows += "a;NO_SEC;NO_SEC;coap://h;60;true\nb;X509;NO_SEC;coaps://h;;\n"
    file.write_text(rows)
    admin("devices", "import", str(file))
    before = [one.configuration for one in api.service.provisioned.registry.page(None, 9)[0]]
    exported = admin("devices", "export").out
    admin("devices", "forget", str(file))
    file.write_text(exported)
    assert admin("devices", "import", str(file)).code == 0
    after = [one.configuration for one in api.service.provisioned.registry.page(None, 9)[0]]
    assert after == before


@pytest.mark.parametrize("kind", ['=HYPERLINK("http://x")', "'=1", "''-1", "'x", "''"])
def test_an_export_holds_no_formula_and_can_be_imported_again(
    admin: Run, api: Api, file: Path, kind: str
) -> None:
    face, registry = api.service.provisioned.face, api.service.provisioned.registry
    security = {"securityMode": "NO_SEC"}
    given = {
        "endpointId": "+49 30 1",
        "serverSecurity": security,
        "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
        "lwm2mServerUri": "coap://h",
        "type": kind,
    }
    asyncio.run(face.add(given, "default"))
    before = registry.get("+49 30 1").configuration
    exported = admin("devices", "export").out
    cells = next(csv.reader(exported.splitlines()[1:], delimiter=";"))
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    file.write_text(exported)
    assert admin("devices", "forget", str(file)).code == 0
    assert admin("devices", "import", str(file)).code == 0
    assert registry.get("+49 30 1").configuration == before


def test_an_export_holds_no_key(admin: Run, file: Path) -> None:
    header = "endpoint id;securityMode;lwm2m psk_id;lwm2m psk_key;bootstrapSecurityMode;"
    file.write_text(header + "lwm2m server uri\na;PSK;i;0badc0de;NO_SEC;coaps://h\n")
    assert admin("devices", "import", str(file)).code == 0
    exported = admin("devices", "export").out
    assert "a;PSK;NO_SEC;i;" in exported
    assert "0badc0de" not in exported and "***" not in exported


def test_the_template_has_every_column(admin: Run) -> None:
    assert admin("devices", "template").out == ";".join(EXPORTED) + "\n"


def test_a_file_that_is_not_there(admin: Run) -> None:
    done = admin("devices", "import", "/nowhere/x.csv")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: /nowhere/x.csv cannot be read")


def test_a_file_that_cannot_be_used(admin: Run, file: Path) -> None:
    file.write_text("foo\n")
    done = admin("devices", "import", str(file))
    assert done.code == 1
    assert "'foo' is no column" in done.err
