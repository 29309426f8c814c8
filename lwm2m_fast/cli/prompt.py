"""The shell's prompt: history over sessions, completion from the table of commands.

Knows a session only as something that runs text; imported only when there is a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from lwm2m_fast.cli.output import tell
from lwm2m_fast.core.shell import COMMANDS, find_command
from lwm2m_fast.logs import printable

LEAVE = {"exit": "leave the shell", "quit": "leave the shell"}
INTERRUPTED = "not waited for any longer; what was taken goes on (see lwm2m-fast operations)"


class Session(Protocol):
    """One device's shell."""

    endpoint: str

    def attempt(self, text: str) -> None: ...

    def paths(self) -> list[str]: ...


class CommandCompleter(Completer):
    """The command first, then the device's paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._words = {**{row.name: row.about for row in COMMANDS.values()}, **LEAVE}

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        line = document.current_line_before_cursor
        word = document.get_word_before_cursor(WORD=True)
        first = line.lstrip()
        if first == word:
            yield from _matching(word, self._words.items())
        elif word.startswith("/"):
            yield from _matching(word, ((path, "") for path in self._paths))
        else:
            yield from _matching(word, ((choice, "") for choice in _choices(first)))


def _choices(line: str) -> list[str]:
    """What may follow a command that takes one word of a few, such as `serialization`."""
    name, _, rest = line.partition(" ")
    row = find_command(name)
    is_one_word = row is not None and "|" in row.usage and " " not in row.usage + rest
    return row.usage.split("|") if row is not None and is_one_word else []


def _matching(word: str, found: Iterable[tuple[str, str]]) -> Iterator[Completion]:
    for text, about in found:
        if text.startswith(word):
            yield Completion(text, -len(word), display_meta=about)


def converse(session: Session, terminal: Input | None = None, screen: Output | None = None) -> int:
    """Prompt until the end of input, `exit` or `quit`. Returns exit code 0."""
    prompt: PromptSession[str] = PromptSession(
        f"{printable(session.endpoint)}> ",
        history=history(),
        completer=CommandCompleter(session.paths()),
        auto_suggest=AutoSuggestFromHistory(),
        complete_while_typing=False,
        input=terminal,
        output=screen,
    )
    while True:
        try:
            text = prompt.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if text in LEAVE:
            return 0
        if text:
            _run(session, text)


def _run(session: Session, text: str) -> None:
    try:
        session.attempt(text)
    except KeyboardInterrupt:
        tell(INTERRUPTED)


def history() -> History:
    """The history file, only its owner's to read; in memory where no file can be had."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    file = base / "lwm2m-fast" / "history"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What was written to a device may be a secret.
        os.close(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))
