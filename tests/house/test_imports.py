"""Imports go downward only: which room may know which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.source_tree import PACKAGE, ROOT, imports, name, sources

RANK_0 = {
    "errors",
    "config",
    "sources",
    "cursor",
    "datagram",
    "logs",
    "presets",
    "aliases",
    "faults",
    "background",
}
RANK_1 = {"wire", "codec", "model"}
RANK_2 = {"core", "fleet"}
RANK_3 = {"net", "store", "sink", "rest", "sim"}
RANK_4 = {
    "committer", "turn", "service", "server", "device_settings", "files", "targets", "values",
    "value_rows", "report_events", "report_intake", "device_data", "device_operations",
    "queue",
    "device_credentials", "server_identity", "vault_file", "vault_rotation",
    "secure", "secure_start",
    "saved_sessions", "bootstrap", "provisioning", "ports", "forgetting", "forgotten_parts",
}  # fmt: skip

# Room -> what it may import beside itself: rooms, or single files of a room.
MAY: dict[str, set[str]] = {
    **dict.fromkeys(RANK_0, RANK_0),
    **dict.fromkeys(RANK_1, RANK_0),
    **dict.fromkeys(RANK_2, RANK_0 | RANK_1),
    "net": RANK_0 | {"core.index", "core.slab", "core.timers"},
    "store": RANK_0 | {"core.records", "core.events"},
    "sink": RANK_0 | {"core.records", "core.events"},
    "rest": RANK_0
    | {"codec", "fleet", "model"}
    | {"core.orders", "core.operations", "core.shell", "core.strategies", "core.ask"}
    | {"core.connector_shell", "wire.numbers"},
    # Simulated devices are DTLS clients: they share the C library's declarations with the server.
    "sim": RANK_0 | {"wire", "codec", "model", "net.lf_dtls"},
    **dict.fromkeys(RANK_4, RANK_0 | RANK_1 | RANK_2 | RANK_3 | RANK_4),
    "cli": RANK_0 | RANK_1 | {"server", "sim", "core.shell", "net.dtls_session", "vault_rotation"},
    "__main__": {"cli"},
    "__init__": RANK_0 | RANK_1 | RANK_2 | RANK_3 | RANK_4,
}

# core/ decides, and is told the time, what arrived and what chance wants.
NOT_IN_CORE = {
    "socket", "asyncio", "uvloop", "time", "random", "os", "logging", "secrets", "threading",
    "select", "posix", "libc.time", "libc.stdio", "cpython.time",
}  # fmt: skip

FILES = sources(".py", ".pyx", ".pxd", ".pyi", under=PACKAGE + "/")


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT / PACKAGE).parts[0]
    return first.split(".")[0]


def targets(path: Path) -> set[str]:
    """What of the package a file imports, as room or room.file."""
    inside = [
        module.split(".")[1:3] for module in imports(path) if module.startswith(PACKAGE + ".")
    ]
    return {".".join(parts) for parts in inside} - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_imports_only_what_its_room_may_know(path: Path) -> None:
    room = room_of(path)
    allowed = MAY[room] | {room}
    wrong = {
        target
        for target in targets(path)
        # `from package.room import name` is seen as room and as room.name.
        if target.split(".")[0] not in allowed
        and target not in allowed
        and not any(other.startswith(target + ".") for other in allowed)
    }
    assert not wrong, f"{name(path)} ({room}) imports {sorted(wrong)}"


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd", under=f"{PACKAGE}/core/"), ids=name)
def test_the_core_has_no_clock_no_chance_and_no_way_out(path: Path) -> None:
    heads = {".".join(m.split(".")[:n]) for m in imports(path) for n in (1, 2)}
    assert not heads & NOT_IN_CORE


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_import_is_relative(path: Path) -> None:
    assert not [module for module in imports(path) if module.startswith(".")]


def test_every_room_has_its_rank() -> None:
    assert {room_of(path) for path in FILES} <= MAY.keys()


def test_what_python_imports_from_a_compiled_file_has_types() -> None:
    wanted = {
        ROOT.joinpath(*module.split(".")).with_suffix(".pyi")
        for path in sources(".py", under=PACKAGE + "/")
        for module in imports(path)
        if module.startswith(PACKAGE)
        and ROOT.joinpath(*module.split(".")).with_suffix(".pyx").exists()
    }
    assert wanted
    assert not [name(path) for path in wanted if not path.exists()]


@pytest.mark.parametrize("path", sources(".c", ".h", under="csrc/"), ids=name)
def test_c_knows_nothing_of_python(path: Path) -> None:
    assert "Python.h" not in path.read_text()
