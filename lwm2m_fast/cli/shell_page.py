"""docs/shell.md, printed from the table of shell commands."""

from __future__ import annotations

from lwm2m_fast.cli.results import EXIT_DONE, EXIT_FAILED, EXIT_WAITING
from lwm2m_fast.core.shell import COMMANDS, MAX_LINES

INTRO = """# Shell commands

Printed by `lwm2m-fast shell --page` from the table in `lwm2m_fast/core/shell.py`; edit that, not
this.

One command a line, without blanks at its ends; a text of several lines becomes that many
operations, in order, at most {lines}. Empty lines are passed over. A line that cannot be read is
named, and then nothing of the text runs. What a sleeping device is asked waits for it; it does
not fail. The text goes

- to a prompt: `lwm2m-fast shell ENDPOINT` (history, completion with the tab key; `exit` leaves),
- from a script: `lwm2m-fast shell ENDPOINT -c 'read /3/0/0'`, or piped to its standard input,
- to many devices: `lwm2m-fast batch --all -c 'read /3/0/0'`, or with a file of names,
- over HTTP: see [api.md](api.md).

The exit code is {done} when every command was done, {failed} when one failed or the text could
not be read, {waiting} when one still waits for its device after `--wait` seconds.

`P` is a path: `/3`, `/3/0`, `/3/0/9`, `/3/0/7/1`. Capitals are to be filled in, brackets may be
left out.

| command | what it does |
|---|---|
"""

VALUES = """
A value is written as the object model has its type: text as it is, to the end of the line;
numbers and `true`, `false`; a time as seconds or as RFC 3339; an object link as `3:0`; bytes
with `writeb`. Of an instance it is JSON, resource ids to values: `write /3/0
{"14":"+01:00","15":"Europe/Berlin"}`.
"""


def page() -> str:
    """The page, as it must stand in docs/shell.md."""
    intro = INTRO.format(lines=MAX_LINES, done=EXIT_DONE, failed=EXIT_FAILED, waiting=EXIT_WAITING)
    rows = (f"| {_code(row.name, row.usage)} | {_cell(row.about)} |" for row in COMMANDS.values())
    return intro + "\n".join(rows) + "\n" + VALUES


def _code(*words: str) -> str:
    return "`" + _cell(" ".join(words)) + "`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
