"""The connector's commands, in every order and spelling that they may have."""

from __future__ import annotations

import pytest

from lwm2m_fast.core.connector_shell import (
    CONNECTOR_COMMANDS,
    MAX_NAMES,
    connector_help,
    parse_connector,
)
from lwm2m_fast.core.shell import MAX_LINES
from lwm2m_fast.errors import RequestError

MIGRATE = "migrateLwm2mDevices"


@pytest.mark.parametrize(
    ("arguments", "names", "skips"),
    [
        ("", (), False),
        (" -d 1 2", ("1", "2"), False),
        (" --devices 1 2", ("1", "2"), False),
        (" -d 1,2", ("1", "2"), False),
        (" -d 1, 2", ("1", "2"), False),
        (" -sr", (), True),
        (" --skipRegistrations", (), True),
        (" -d 1 2 -sr", ("1", "2"), True),
        (" -sr -d 1 2", ("1", "2"), True),
        (" --skipRegistrations --devices urn:imei:1", ("urn:imei:1",), True),
        (" -d 1 1 2", ("1", "2"), False),
    ],
)
def test_a_migration_takes_its_options_in_any_order(
    arguments: str, names: tuple[str, ...], skips: bool
) -> None:
    (ask,) = parse_connector(MIGRATE + arguments)
    assert (ask.command, ask.names, ask.skips_registrations) == (MIGRATE, names, skips)
    assert ask.needs_admin and ask.help is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (MIGRATE + " 1", "'1' is no argument"),
        (MIGRATE + " -d", "no device is named after -d"),
        (MIGRATE + " -d -sr", "no device is named after -d"),
        (MIGRATE + " -d 1 -d 2", "-d is there twice"),
        (MIGRATE + " -sr -sr", "-sr is there twice"),
        (MIGRATE + " -sr 1", "'1' is no argument"),
        (MIGRATE + " -x", "'-x' is no argument"),
        (MIGRATE + " -d 1 --sr", "'--sr' is no argument"),
        ("invalidateRegistrationById", "0 arguments, one is needed"),
        ("invalidateRegistrationById a b", "2 arguments, one is needed"),
        ("invalidateRegistrationsForEndpoint", "the endpoint name is missing"),
        ("cleanupClusterTenantObjectsForEndpoint ", "the endpoint name is missing"),
        ("read /3", "'read' is no command of the connector"),
        ("help read", "'read' is no command of the connector"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line(text: str, why: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_connector("help\n\n" + text)
    assert str(caught.value).startswith("line 3: ")
    assert why in str(caught.value)


def test_a_name_is_the_rest_of_the_line() -> None:
    text = "cleanupclustertenantobjectsforendpoint my device\ninvalidateRegistrationById aB1"
    first, second = parse_connector(text)
    assert (first.command, first.names) == (
        "cleanupClusterTenantObjectsForEndpoint", ("my device",),
    )  # fmt: skip
    assert (second.names, second.needs_admin) == (("aB1",), False)


def test_help_lists_every_command_with_its_arguments() -> None:
    (ask,) = parse_connector("help")
    assert ask.help == connector_help()
    for row in CONNECTOR_COMMANDS.values():
        assert f"{row.name} {row.usage}\n    {row.about}" in connector_help()
    (one,) = parse_connector(f"help {MIGRATE.lower()}")
    assert one.help is not None and one.help.startswith(MIGRATE)


def test_the_bounds_are_exact() -> None:
    (ask,) = parse_connector(f"{MIGRATE} -d " + " ".join(map(str, range(MAX_NAMES))))
    assert len(ask.names) == MAX_NAMES
    with pytest.raises(RequestError, match="allowed are"):
        parse_connector(f"{MIGRATE} -d " + " ".join(map(str, range(MAX_NAMES + 1))))
    assert len(parse_connector("help\n" * MAX_LINES)) == MAX_LINES
    with pytest.raises(RequestError, match="the limit is"):
        parse_connector("help\n" * (MAX_LINES + 1))
