"""What every section of the configuration is made of: a frozen class, and fields with a reason.

Knows no setting.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section: unknown names, NaN and infinity are refused, and nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def field(default: Any, reason: str, **bounds: Any) -> Any:
    """A setting with its default, the reason for it, and bounds as pydantic names them."""
    return Field(default=default, description=reason, **bounds)


def words(allowed: str) -> dict[str, Any]:
    """For a value that no bound describes: what may stand there."""
    return {"allowed": allowed}
