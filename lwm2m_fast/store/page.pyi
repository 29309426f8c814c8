from collections.abc import Iterable

PAGE_BYTES: int

def page_of(
    rows: Iterable[tuple[bytes, bytes]], limit: int, prefix: bytes = b""
) -> list[tuple[bytes, bytes]]: ...
