from collections.abc import Iterable, Sequence

Part = bytes | tuple[int, int, int, int]
Entry = tuple[tuple[int, ...], bool, bool, list[tuple[int, list[Part]]]]

class Catalogue:
    def __init__(self, entries: Iterable[Entry], started_at_s: int = 0) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def started_at_s(self) -> int: ...
    def read(
        self, path: Sequence[int], number: int = 1, second: int = 0, accept: int = -1
    ) -> tuple[int, bytes] | None: ...
