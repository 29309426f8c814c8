"""One device as a person reads it: its registration, its configuration, its latest bootstrap.

Pure: JSON of the HTTP interface in, lines out. Knows no server and no terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lwm2m_fast.cli.output import moment

_ELSEWHERE: Final = frozenset({"registered", "bootstrap", "endpointId"})
"""Of a configuration: shown beside it."""

WIDEST: Final = 200
"""Characters shown of one value; a certificate is longer, and of no use to the eye."""

HINTS: Final = (
    ("no bootstrap is configured", "give it bootstrapSecurity, or let it register directly"),
    ("it is to bootstrap with", "change bootstrapSecurityMode, or the address in the device"),
    ("which is not its name", "let the device send the name that its key or certificate has"),
    ("DTLS handshake was refused", "compare identity and key; those of the bootstrap server count"),
    ("was refused with 4.00", "the device does not take this account; see its own log"),
    ("was refused with 4.06", "the device finds what was written not to be enough; see its log"),
    ("did not answer", "it left, or a firewall is in between; it will begin anew"),
    ("began another bootstrap", "the device restarted or was impatient; the newer one counts"),
    ("not done within", "bootstrap.session_timeout_s is how long it may take"),
    ("lwm2mShortServerId is unset", "set lwm2mShortServerId, the short id of its LwM2M server"),
    ("which nobody has given", "put NAME.pem into the directory bootstrap.certificates"),
    ("bootstrap.uri", "set bootstrap.uri and bootstrap.secure_uri to addresses devices reach"),
)
"""What a reason has in it, and what to do (docs/bootstrap.md says more)."""


def page(
    endpoint: str, device: Mapping[str, Any] | None, configured: Mapping[str, Any] | None
) -> Iterator[str]:
    """The lines; each of the two may be None, when the server does not know it."""
    yield from _fields({"endpoint": endpoint, "registered": "yes" if device else "no"}, 16)
    if device is not None:
        yield from _fields({n: v for n, v in device.items() if n != "endpoint"}, 16)
    if configured is None:
        yield from ("", "configuration", "  none: nothing but a name on a list, if that")
        return
    yield from ("", "configuration")
    flat = dict(_flat({n: v for n, v in configured.items() if n not in _ELSEWHERE}))
    width = max(len(name) for name in flat)
    yield from (f"  {line}" for line in _fields(flat, width))
    yield from ("", "bootstrap")
    yield from (f"  {line}" for line in _bootstrap(configured))


def _bootstrap(configured: Mapping[str, Any]) -> Iterator[str]:
    outcome = configured.get("bootstrap")
    if outcome is None:
        yield (
            "none yet"
            if configured.get("bootstrapSecurity")
            else "none: bootstrapSecurity is not configured, so the device would be refused"
        )
        return
    yield f"{outcome['state']} at {moment(outcome['at'])}"
    if outcome["reason"]:
        yield f"reason  {outcome['reason']}"
        hint = next((say for part, say in HINTS if part in outcome["reason"]), None)
        if hint is not None:
            yield f"hint    {hint}"
    for step in outcome["steps"]:
        yield f"step    {step['step']:16} {step['result']}"


def _fields(values: Mapping[str, Any], width: int) -> Iterator[str]:
    for name, value in values.items():
        shown = moment(value) if name.endswith("_at") and value is not None else value
        yield f"{name:{width}} {shown}"


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield before + name, json.dumps(value)
        else:
            text = str(value)
            yield before + name, value if len(text) <= WIDEST else text[:WIDEST] + " ..."
