"""What an object id means: definitions, the built-in facts, lookup, content-format negotiation.

DDF files are read by `lwm2m_fast.model.ddf`, imported only where files are uploaded: the XML
parser is not part of what every process has to load.
"""

from __future__ import annotations

from lwm2m_fast.model.builtin import BuiltIn, built_in
from lwm2m_fast.model.definitions import (
    ObjectDefinition,
    ResourceDefinition,
    ResourceType,
    parse_version,
)
from lwm2m_fast.model.formats import (
    HOLDS_ONE_ONLY,
    Formats,
    Operation,
    binary_format,
    forced_format,
    negotiate,
    speaks,
    spelling,
)
from lwm2m_fast.model.limits import Limits, parse_limits
from lwm2m_fast.model.lookup import Definitions, Layer, Model, View

__all__ = [
    "BuiltIn",
    "Definitions",
    "Formats",
    "HOLDS_ONE_ONLY",
    "Layer",
    "Limits",
    "Model",
    "ObjectDefinition",
    "Operation",
    "ResourceDefinition",
    "ResourceType",
    "View",
    "binary_format",
    "built_in",
    "forced_format",
    "negotiate",
    "parse_limits",
    "parse_version",
    "speaks",
    "spelling",
]
