"""Changes of bytes that know no format. A target that knows its own adds to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

MOST_BYTES = 4096
BOUNDARIES = (0, 1, 12, 13, 14, 15, 16, 31, 63, 64, 127, 128, 192, 253, 254, 255)

Words = Sequence[bytes]
Change = Callable[[bytearray, Random, Words], None]


def _span(data: bytearray, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, min(len(data), start + 1 + random.getrandbits(random.randint(0, 6)))


def _flip(data: bytearray, random: Random, words: Words) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(data: bytearray, random: Random, words: Words) -> None:
    data[random.randrange(len(data))] = random.choice(BOUNDARIES)


def _set_any(data: bytearray, random: Random, words: Words) -> None:
    data[random.randrange(len(data))] = random.randrange(256)


def _step(data: bytearray, random: Random, words: Words) -> None:
    at = random.randrange(len(data))
    data[at] = (data[at] + random.choice((-2, -1, 1, 2))) % 256


def _delete(data: bytearray, random: Random, words: Words) -> None:
    start, end = _span(data, random)
    del data[start:end]


def _repeat(data: bytearray, random: Random, words: Words) -> None:
    start, end = _span(data, random)
    data[end:end] = data[start:end] * random.choice((1, 1, 2, 40))


def _move(data: bytearray, random: Random, words: Words) -> None:
    start, end = _span(data, random)
    piece = data[start:end]
    del data[start:end]
    at = random.randrange(len(data) + 1)
    data[at:at] = piece


def _insert(data: bytearray, random: Random, words: Words) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.choice((1, 1, 2, 4, 8)))


def _word(data: bytearray, random: Random, words: Words) -> None:
    if words:
        word = random.choice(words)
        at = random.randrange(len(data) + 1)
        data[at : at + random.choice((0, len(word)))] = word


def _truncate(data: bytearray, random: Random, words: Words) -> None:
    del data[random.randrange(len(data)) :]


CHANGES: tuple[Change, ...] = (
    _flip, _set, _set_any, _step, _delete, _repeat, _move, _insert, _word, _word, _truncate,
)  # fmt: skip


def mutate(data: bytes, random: Random, words: Words = ()) -> bytes:
    """`data` with one to a few changes; at most MOST_BYTES."""
    changed = bytearray(data)
    for _ in range(1 << random.choice((0, 0, 0, 1, 2, 3))):
        if not changed:
            changed += random.randbytes(4)
        random.choice(CHANGES)(changed, random, words)
    return bytes(changed[:MOST_BYTES])


def splice(first: bytes, second: bytes, random: Random) -> bytes:
    """The beginning of one input and the end of another."""
    head = random.randint(0, len(first))
    return (first[:head] + second[random.randint(0, len(second)) :])[:MOST_BYTES]
