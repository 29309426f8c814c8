"""Every setting one by one, as documents and messages show it: path, variable, what is allowed.

Read from the classes; knows no setting by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from lwm2m_fast.config.tree import ENV_PREFIX, Config


class Setting(NamedTuple):
    """One leaf of the tree, as the documentation and the messages show it."""

    section: str  # "" for the top level
    name: str
    info: FieldInfo

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.path.replace(".", "__").upper()

    @property
    def is_secret(self) -> bool:
        return SecretStr in (self.info.annotation, *get_args(self.info.annotation))

    @property
    def allowed(self) -> str:
        """What may stand here, in words."""
        return _allowed(self.info)


def sections() -> dict[str, type[BaseModel]]:
    """Section name to its class, in the order of the file."""
    found = {name: info.annotation for name, info in Config.model_fields.items()}
    return {k: v for k, v in found.items() if isinstance(v, type) and issubclass(v, BaseModel)}


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the file; the top level comes first."""
    inner = sections()
    for name, info in Config.model_fields.items():
        if name not in inner:
            yield Setting("", name, info)
    for section, model in inner.items():
        for name, info in model.model_fields.items():
            yield Setting(section, name, info)


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", Path: "a directory"}


def _allowed(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(info.annotation)))
    if isinstance(info.json_schema_extra, dict) and "allowed" in info.json_schema_extra:
        return str(info.json_schema_extra["allowed"])
    bounds = {
        name: getattr(mark, name)
        for mark in info.metadata
        for name in ("ge", "le", "max_length")
        if hasattr(mark, name)
    }
    kind = next((word for t, word in _KINDS.items() if t is info.annotation), "text")
    if "ge" in bounds:
        kind += f" from {bounds['ge']} to {bounds['le']}"
    if "max_length" in bounds:
        kind += f" of 1 to {bounds['max_length']} characters"
    return kind if kind != "text" else "text, not empty"
