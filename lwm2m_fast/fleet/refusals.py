"""How a wrong value of a device's configuration is told: the value and the rule, in our own words
and not in those of the validation library.

A value is repeated only where no secret can be in it: not of a key or a certificate, which may have
been given in the other's place, nor of what is a whole part or is not known at all. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

UNTOLD: Final = frozenset(
    {
        "pskKey", "bootstrapKey", "x509PrivateKey", "x509ClientPrivateKey", "x509Certificate",
        "x509ClientCertificate", "x509ServerCertificateName", "serverPublicKey",
    }
)  # fmt: skip
"""Fields whose value is told in no error."""

_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a device's configuration",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "tuple_type": "must be a list",
}
"""Where the value itself says nothing."""

_WHOLE, _FLAG, _TEXT = "must be a whole number", "must be true or false", "must be text"
_RULES: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size"), lambda _: _WHOLE),
    "int_from_float": lambda _: _WHOLE,
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: _FLAG),
    **dict.fromkeys(("string_type", "string_unicode"), lambda _: _TEXT),
    "greater_than_equal": lambda limits: f"must be {limits['ge']} or more",
    "less_than_equal": lambda limits: f"must be {limits['le']} or less",
    "literal_error": lambda limits: f"must be {limits['expected']}",
    "string_too_long": lambda limits: f"must have at most {limits['max_length']} characters",
    "too_long": lambda limits: f"must have at most {limits['max_length']} items",
}


def refusal(each: Mapping[str, Any]) -> str:
    """What is wrong, of one entry of a ValidationError: "is 'x': must be a whole number"."""
    told = _WORDS.get(each["type"])
    if told is not None:
        return told
    rule = _RULES.get(each["type"])
    if rule is None:  # a rule of ours, which says what of the value matters
        return str(each["msg"]).removeprefix("Value error, ")
    why, value = rule(each.get("ctx", {})), each["input"]
    if UNTOLD.intersection(each["loc"]) or not isinstance(value, str | int | float | None):
        return why
    return f"is {value!r:.60}: {why}"
