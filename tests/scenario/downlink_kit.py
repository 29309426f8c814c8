"""A large payload of ours and a device that takes it block by block (RFC 7959, section 2.5)."""

import random

from scripted import ACK, BLOCK1, CON, PUT

from lwm2m_fast.core.ask import CoapRequest

BODY = random.Random(7).randbytes(5000)
PATH = (b"5", b"0", b"0")


def write(payload=BODY, method=PUT, **parts) -> CoapRequest:
    return CoapRequest(method, PATH, content_format=42, payload=payload, **parts)


def take_blocks(device, asked=None, code="2.31", kind=ACK):
    """Take every block but the last, which is returned with the blocks so far."""
    asked = asked or device.hear()
    taken = [asked]
    while asked.block(BLOCK1)[1]:
        device.answer(asked, code, kind=kind, options=[(BLOCK1, asked.option(BLOCK1))])
        if kind == CON:
            assert device.hear().type == ACK
        asked = device.hear()
        taken.append(asked)
    return asked, taken


def body_of(taken) -> bytes:
    """The blocks at their offsets; they must follow each other without a gap."""
    body = b""
    for heard in taken:
        number, more, size = heard.block(BLOCK1)
        assert number * size == len(body)
        assert len(heard.payload) == size or not more
        body += heard.payload
    return body


def finish(device, asked, code="2.04", **parts):
    options = [(BLOCK1, asked.option(BLOCK1)), *parts.pop("options", ())]
    device.answer(asked, code, options=options, **parts)
