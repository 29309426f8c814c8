"""How devices misbehave when they are told to: kinds, shares, and what each does to an answer.

Pure but for a seeded die.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Final

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.sim.messages import message
from lwm2m_fast.sim.operations import CONTENT, Reply

KINDS: Final = {
    "wrong-token": "answers with a token that nobody sent",
    "wrong-format": "says a content format that the payload is not in",
    "empty-ack": "acknowledges the request and never answers it",
    "reset": "answers with a Reset",
    "oversized": "answers in one datagram of 4 KiB where blocks were due",
    "reboot": "starts anew instead of answering, and forgets what is observed",
}

OVERSIZED_BYTES: Final = 4096
_TLV: Final = 11542
_NO_TLV: Final = b"\xc8\xff\xff\xff\xff"


def parse_misbehaviour(texts: Iterable[str]) -> dict[str, float]:
    """KIND or KIND:SHARE each; the share, 0 to 1, is of the server's requests, and all of them when
    it is not given. ConfigError."""
    shares = {}
    for text in texts:
        kind, _, share = text.partition(":")
        if kind not in KINDS:
            raise ConfigError(f"misbehave {text!r}: the kind must be one of {', '.join(KINDS)}")
        try:
            shares[kind] = float(share or 1)
        except ValueError:
            shares[kind] = -1.0
        if not 0 <= shares[kind] <= 1:
            raise ConfigError(f"misbehave {text!r}: the share must be 0 to 1")
    return shares


class Misbehaviour:
    """Draws what happens to each request; counts what did."""

    def __init__(self, shares: dict[str, float], seed: int) -> None:
        self._shares = shares
        self._random = random.Random(seed)  # noqa: S311 - dice, not secrets
        self.counts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._shares)

    def draw(self) -> str | None:
        """The kind that this request meets; None: it is answered as it should be."""
        die = self._random.random()
        for kind, share in self._shares.items():
            if die < share:
                self.counts[kind] += 1
                return kind
            die -= share
        return None


def spoilt(kind: str | None, type: int, mid: int, token: bytes, reply: Reply) -> bytes | None:
    """The answer of a device that misbehaves in a way that shows in the answer; None: as usual."""
    if kind == "wrong-token":
        wrong = bytes(255 - byte for byte in token) or b"\xff"
        return message(type, mid, wrong, reply)
    if kind == "wrong-format" and reply.code == CONTENT:
        return message(type, mid, token, Reply(CONTENT, _TLV, _NO_TLV))
    if kind == "oversized":
        long = Reply(CONTENT, reply.content_format, bytes(OVERSIZED_BYTES))
        return message(type, mid, token, long, szx=12)
    return None
