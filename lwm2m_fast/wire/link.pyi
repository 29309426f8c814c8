from collections.abc import Iterable, Mapping, Sequence

MOST_LINKS: int
MOST_ATTRIBUTES: int
MOST_FORMATS: int
MOST_ROOT_BYTES: int
MOST_BYTES: int
SET_BYTES: int

AttributeValue = str | int | Sequence[int] | None

class LinkSet:
    """What a device said it has: root path, content formats, objects with their instances."""

    def __init__(self, packed: bytes) -> None: ...
    @property
    def packed(self) -> bytes: ...
    @property
    def root(self) -> str: ...
    @property
    def content_formats(self) -> list[int]: ...
    @property
    def objects(self) -> dict[int, tuple[str | None, list[int]]]: ...

def parse(data: bytes | memoryview) -> LinkSet: ...
def build(links: Iterable[tuple[str, Mapping[str, AttributeValue]]]) -> bytes: ...
