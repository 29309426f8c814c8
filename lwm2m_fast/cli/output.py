"""How commands print: tables on standard output, errors as lines on standard error.

What a device chose (its name, a value) passes through printable(): no escape sequence of a
device reaches the terminal. Knows no command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from lwm2m_fast.logs import printable


def tell(text: str) -> None:
    """Plain text, unwrapped, for people and scripts alike."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell_error(text: str) -> None:
    """One `error:` line for each line of `text`."""
    for line in text.splitlines() or [""]:
        sys.stderr.write(f"error: {printable(line)}\n")
    sys.stderr.flush()


def tell_json(value: Any) -> None:
    tell(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def tell_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; cells are shown as they are, without markup."""
    from rich.console import Console  # a command without a table starts sooner
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    # A pipe has no width; a wide one keeps each row on its line.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 240)
    console.print(table)


def moment(at: float) -> str:
    """Unix seconds as local time."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
