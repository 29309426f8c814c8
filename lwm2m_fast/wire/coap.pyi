from collections.abc import Iterable
from typing import Any

REASONS: dict[int, str]

def parse(datagram: bytes) -> dict[str, Any]: ...
def build(
    type: int,
    code: int,
    mid: int,
    token: bytes = b"",
    options: Iterable[tuple[int, bytes | int]] = (),
    payload: bytes = b"",
) -> bytes: ...
