"""Rows of a CSV file of devices, as the fields of their configurations.

`;` or `,` between the cells, quotes, a byte order mark, any line ends; column names in any case.
Every bad row is an item of its own, with its line and the reason, so that one of them stops no
other. Knows nothing of what a field means; the columns of older files are taken as far as they say
something here.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.device_fields import DeviceConfiguration, names_of

MAX_BYTES: Final = 10_000_000
"""Of a file: 10 MB."""
PART_BYTES: Final = 65_536
MAX_LINES: Final = 500_000
"""More than fit with anything in them."""
MAX_COLUMNS: Final = 128
MAX_SEPARATORS: Final = 131_072
"""In a line, in quotes or not: the reader makes a cell of each without letting go."""
MAX_CELL: Final = 16_384
"""Characters; the longest that is needed is a certificate chain."""

_PATHS: Final[dict[str, tuple[str, ...]]] = {
    "endpoint id": ("endpointId",),
    "securitymode": ("serverSecurity", "securityMode"),
    "bootstrapsecuritymode": ("bootstrapSecurity", "bootstrapSecurityMode"),
    "lwm2m psk_id": ("serverSecurity", "pskId"),
    "lwm2m psk_key": ("serverSecurity", "pskKey"),
    "bootstrap psk_id": ("bootstrapSecurity", "bootstrapId"),
    "bootstrap psk_key": ("bootstrapSecurity", "bootstrapKey"),
    "x509clientcertificate": ("serverSecurity", "x509Certificate"),
    "x509clientprivatekey": ("serverSecurity", "x509PrivateKey"),
    "x509certificateusage": ("serverSecurity", "certificateUsage"),
    "serverpublickey": ("serverSecurity", "x509ServerCertificateName"),
    "lwm2m server uri": ("lwm2mServerUri",),
    "bootstrapclientholdofftime": ("bootstrapSecurity", "clientHoldOffTime"),
    "bootstrapserveraccounttimeout": ("bootstrapSecurity", "bootstrapServerAccountTimeout"),
    # Columns of the older generation; the rest of those only have to be right.
    "external-c8y_lwm2mpskid": ("serverSecurity", "pskId"),
    "external-c8y_bootstrappskid": ("bootstrapSecurity", "bootstrapId"),
}
"""Column in small letters to the place of its field; all others are called as in JSON."""

_PARTS: Final = frozenset(
    {"endpointId", "serverSecurity", "bootstrapSecurity", "furtherServers", "bootstrapSteps"}
)
"""Fields that are no column, or have columns of other names."""

_FLAT: Final = {
    name.lower(): (shown,)
    for name, shown in names_of(DeviceConfiguration).items()
    if shown not in _PARTS
}

_PLACES: Final = {**_FLAT, **_PATHS}

_STRONG: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[^A-Za-z0-9]).{12,}", re.DOTALL)


def _is(*allowed: str) -> Callable[[str], str | None]:
    words = " or ".join(allowed)
    return lambda cell: None if cell in allowed else f"must be {words}"


_LEGACY: Final[dict[str, Callable[[str], str | None]]] = {
    "id": lambda cell: None,
    "idtype": _is("c8y_Id"),
    "credentials": lambda cell: (
        None
        if _STRONG.fullmatch(cell)
        else "must have 12 characters, with a small and a capital letter, a digit and another one"
    ),
    "name": lambda cell: None,
    "type": lambda cell: None,
    "shell": _is("0", "1"),
    "c8y_genericui": lambda cell: None,
    "com_cumulocity_model_agent": _is("1"),
}
"""Columns of the older generation and what each must be (row P11)."""

_LINE_END: Final = re.compile(rb"[\r\n]")

_FORMULA: Final = re.compile(r"[=+@\t]|-(?!----BEGIN )")
"""What makes a spreadsheet run a cell; a certificate in PEM begins with five dashes."""

_MARKED: Final = re.compile(rf"'(?='*(?:{_FORMULA.pattern}))")
"""The apostrophe that an export puts before such a cell, and before what looks so marked."""

EXPORTED: Final = tuple(
    {
        **dict.fromkeys(name for name in (
            "endpoint id", "securityMode", "bootstrapSecurityMode", "lwm2m psk_id",
            "lwm2m psk_key", "bootstrap psk_id", "bootstrap psk_key", "x509ClientCertificate",
            "x509ClientPrivateKey", "x509CertificateUsage", "serverPublicKey", "lwm2m server uri",
            "bootstrapClientHoldOffTime", "bootstrapServerAccountTimeout",
        )),
        **dict.fromkeys(
            shown for (shown,) in _FLAT.values() if shown != "lwm2mServerUri"
        ),
    }
)  # fmt: skip
"""The columns of the template, in order."""


codecs.lookup("utf-8-sig")  # reads a module when it is first used, which is better done now


class Row(NamedTuple):
    """One row that is well formed; whether its values are right is still to be seen."""

    line: int
    """Of the file, from 1, where the row begins."""
    fields: dict[str, Any]
    """By JSON names, values as text; what is empty is not there."""
    is_legacy: bool
    shell: bool
    """False: the older SHELL column forbids shell commands."""


class BadRow(NamedTuple):
    line: int
    why: str


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if len(names) > MAX_COLUMNS:
        raise RequestError(f"line 1: {len(names)} columns, allowed are {MAX_COLUMNS}")
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"line 1: column {name[:80]!r} is there twice")
        known = name in _PATHS or name in _FLAT or name in _LEGACY
        # Tools write platform fragments as further columns; they say nothing here.
        if not known and not name.startswith(("c8y_", "com_", "external-")):
            raise RequestError(f"line 1: {name[:80]!r} is no column of a device's configuration")
    if "endpoint id" not in names:
        raise RequestError("line 1: the column 'endpoint id' is missing")
    return names


def _put(fields: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for part in path[:-1]:
        fields = fields.setdefault(part, {})
    fields[path[-1]] = value


def _row(line: int, names: list[str], cells: list[str]) -> Row | BadRow:
    if len(cells) != len(names):
        return BadRow(line, f"{len(cells)} cells, but {len(names)} columns")
    fields: dict[str, Any] = {}
    given = {name: cell for name, each in zip(names, cells, strict=True) if (cell := each.strip())}
    is_legacy = "id" in names and "idtype" in names
    for name, cell in given.items():
        if len(cell) > MAX_CELL:
            return BadRow(line, f"{name}: {len(cell)} characters, allowed are {MAX_CELL}")
        if _MARKED.match(cell):
            given[name] = cell = cell[1:]  # as an export writes it, and spreadsheets take for text
        elif _FORMULA.match(cell):
            return BadRow(line, f"{name}: begins like a formula ({cell[0]!r})")
        if is_legacy and name in _LEGACY and (why := _LEGACY[name](cell)):
            return BadRow(line, f"{name.upper()} {why}")
        path = _PLACES.get(name)
        if path is not None:
            _put(fields, path, cell)
    if is_legacy:
        if missing := [name for name in _LEGACY if name not in given and name != "shell"]:
            return BadRow(line, f"{missing[0].upper()} is missing")
        if given["id"] != given.get("endpoint id"):
            return BadRow(line, "ID is not the endpoint id")
        if given["name"] != given["id"]:
            return BadRow(line, "NAME is not the ID")
    if "bootstrapsecuritymode" not in names:
        _one_mode_for_both(fields)
    return Row(line, fields, is_legacy, given.get("shell") != "0")


def _one_mode_for_both(fields: dict[str, Any]) -> None:
    """Older files have one securityMode for both connections (row P11)."""
    mode = fields.get("serverSecurity", {}).get("securityMode")
    if mode is not None:
        fields.setdefault("bootstrapSecurity", {})["bootstrapSecurityMode"] = mode


def _text(data: bytes) -> io.TextIOWrapper:
    """The lines of `data`, decoded as they are read: 10 MB at once would hold up the process."""
    if len(data) > MAX_BYTES:
        raise RequestError(f"the file has {len(data)} bytes, allowed are {MAX_BYTES}")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data) + 1, PART_BYTES):
        end = start + PART_BYTES
        try:
            decoder.decode(data[start:end], final=end > len(data))
        except UnicodeDecodeError as error:
            # Where it is in what the decoder had kept of the part before, and this part.
            at = min(end, len(data)) - len(error.object) + error.start
            line = data.count(b"\n", 0, at) + 1
            raise RequestError(f"line {line}: not UTF-8") from None
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")


def _lines(text: io.TextIOWrapper, delimiter: str) -> Iterator[str]:
    for line in text:
        if (separators := line.count(delimiter)) > MAX_SEPARATORS:
            raise csv.Error(f"{separators} separators in a line, allowed are {MAX_SEPARATORS}")
        yield line


def read_rows(data: bytes) -> Iterator[Row | BadRow]:
    """Every row of `data`, good or bad, in order; empty lines are passed over.

    RequestError, before the first row: too large, not UTF-8, or a header that cannot be used.
    """
    text = _text(data)
    first = _LINE_END.split(data[:PART_BYTES], maxsplit=1)[0]
    delimiter = ";" if first.count(b";") >= first.count(b",") and b";" in first else ","
    reader = csv.reader(_lines(text, delimiter), delimiter=delimiter, strict=True)
    try:
        names = _header(next(reader, []))
    except csv.Error as error:
        raise RequestError(f"line 1: {error}") from None
    return _rows(reader, names)


def _rows(reader: Any, names: list[str]) -> Iterator[Row | BadRow]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:  # an open quote, say: where the next row begins is unknown
            yield BadRow(line, f"{error}; the rest of the file cannot be read")
            return
        if cells is None:
            return
        if line > MAX_LINES:
            yield BadRow(line, f"more than {MAX_LINES} lines; the rest of the file is not read")
            return
        if any(cell.strip() for cell in cells):
            yield _row(line, names, cells)


def endpoint_of(fields: Mapping[str, Any]) -> str:
    """The endpoint name of a row, "" where it has none."""
    return str(fields.get("endpointId", ""))
