from lwm2m_fast.codec.kinds import Kind, Value
from lwm2m_fast.codec.path import Path

class Node:
    """A value at a path: Node("/3/0/9", 85). Immutable.

    The kind follows from the Python value unless it is given; a Time is whole seconds and has to be
    named. `time_ns` is the moment of the value in nanoseconds since 1970, None for "just now".
    Raises FormatError for a value that its kind cannot hold.
    """

    def __init__(
        self,
        path: Path | str,
        value: Value = None,
        kind: Kind | None = None,
        time_ns: int | None = None,
    ) -> None: ...
    @property
    def path(self) -> Path: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def time_ns(self) -> int | None: ...
    @property
    def value(self) -> Value: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
