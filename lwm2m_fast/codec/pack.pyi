from collections.abc import Container, Iterable, Iterator, Sequence
from typing import overload

from lwm2m_fast.codec.kinds import Value
from lwm2m_fast.codec.node import Node
from lwm2m_fast.codec.path import Path

class Pack:
    """The values of one payload, in its order; pack[i] is a Node made when it is asked for.

    `payload` and `content_format` are what was received, for whoever forwards it unread.
    """

    payload: bytes
    content_format: int
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> list[Node]: ...
    def __iter__(self) -> Iterator[Node]: ...
    def value(self, path: Path | str) -> Value:
        """The value at `path`; of several moments the most recent. KeyError when there is none."""

    def nodes(self) -> list[Node]:
        """All values as a list of Nodes."""

    def groups(self) -> list[tuple[int | None, list[Node]]]:
        """Nodes grouped by moment: (time_ns or None, nodes), None ("just now") and newest first."""

    def outside(self, paths: Iterable[Path | str]) -> Node | None:
        """The first Node that is at or below none of `paths`, None when all of them are."""

    def shape(self) -> int:
        """A number that two packs with values at the same paths, in the same order, share."""

    def unregistered(self, instances: Container[int]) -> Node | None:
        """The first Node at or below an object instance that is not in `instances`, or None.

        `instances` holds object id << 16 | instance id; paths shorter than that are passed over.
        """

def pack_nodes(payload: bytes, content_format: int, nodes: Sequence[Node]) -> Pack:
    """A Pack of Nodes that a Python decoder has made; FormatError past MAX_RECORDS."""
