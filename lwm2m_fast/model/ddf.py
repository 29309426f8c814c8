"""DDF XML (the object definitions that OMA and vendors publish) to object definitions.

Reads the LwM2M 1.0 and 1.1 schemas, any number of objects per file. Refuses every DTD, entity and
external reference, and whatever passes the bounds below, while it reads: no tree is ever built.
Knows nothing of who uploads a file or where definitions are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, NoReturn, TypeVar
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml import sax  # type: ignore[import-untyped]
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]

from lwm2m_fast.errors import FormatError
from lwm2m_fast.model.definitions import (
    MAX_ID,
    ObjectDefinition,
    ResourceDefinition,
    ResourceType,
    parse_version,
)

MAX_BYTES = 4 * 1024 * 1024
MAX_OBJECTS = 512
MAX_RESOURCES = 4096
"""Resources of one object."""
MAX_ELEMENTS = 200_000
MAX_DEPTH = 16
MAX_TEXT_CHARS = 4096
"""Characters of any one text except descriptions, whose bound is next."""
MAX_DESCRIPTION_CHARS = 65536

_ROOT = ("LWM2M",)
_OBJECT = (*_ROOT, "Object")
_ITEM = (*_OBJECT, "Resources", "Item")

_DESCRIPTIONS = {"Description", "Description1", "Description2"}
_FIELDS = {
    _OBJECT: {
        "Name",
        "Description1",
        "ObjectID",
        "ObjectURN",
        "LWM2MVersion",
        "ObjectVersion",
        "MultipleInstances",
        "Mandatory",
    },
    _ITEM: {
        "Name",
        "Operations",
        "MultipleInstances",
        "Mandatory",
        "Type",
        "RangeEnumeration",
        "Units",
        "Description",
    },
}
"""Where texts are kept; every other element is passed over, as a newer schema may bring more."""

_MULTIPLE = {"multiple": True, "single": False}
_MANDATORY = {"mandatory": True, "optional": False}
_OPERATIONS = {"": "", "r": "R", "w": "W", "rw": "RW", "e": "E"}
_TYPES = {each.value.lower().replace("_", " "): each for each in ResourceType if each != "NONE"} | {
    "": ResourceType.NONE
}
_ID = re.compile(r"[0-9]{1,5}", re.ASCII)
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?<\?xml\s(.*?)\?>", re.DOTALL)
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = re.compile(
    r"utf-8|utf-16(le|be)?|us-ascii|iso-8859-[0-9]{1,2}|windows-125[0-8]", re.ASCII | re.IGNORECASE
)
_MAX_DECLARATION_BYTES = 512
_SHOWN_CHARS = 60

T = TypeVar("T")


class DdfError(FormatError):
    """A DDF file is wrong; says which element and line, and what is allowed there."""

    def __init__(self, line: int, element: str, problem: str) -> None:
        super().__init__(f"DDF line {line}, element {element[:_SHOWN_CHARS]}: {problem}")
        self.line, self.element, self.problem = line, element, problem


def parse_ddf(data: bytes) -> tuple[ObjectDefinition, ...]:
    """Every object of a DDF file, in its order. DdfError when anything in it is wrong: nothing of a
    wrong file is used. Its BOM or XML declaration says the encoding (_ENCODINGS), else UTF-8."""
    if len(data) > MAX_BYTES:
        raise DdfError(0, "LWM2M", f"the file has {len(data)} bytes, the limit is {MAX_BYTES}")
    _check_encoding(data)
    reader = _Reader()
    try:
        sax.parseString(data, reader, forbid_dtd=True)
    except DefusedXmlException:
        reader.refuse("document types, entities and external references are not allowed")
    except SAXParseException as error:
        line = error.getLineNumber() or 0
        raise DdfError(line, reader.element, f"not XML: {error.getMessage()}") from None
    except (SAXException, ValueError, LookupError) as error:
        reader.refuse(f"not XML that can be read: {_short(str(error))}")
    return tuple(reader.objects.values())


def _check_encoding(data: bytes) -> None:
    """Refuse a declared encoding that is not a plain character set: the parser would look any name
    up among Python's codecs, where some are no character sets at all."""
    head = data[:_MAX_DECLARATION_BYTES].replace(b"\0", b"")  # as ASCII, if it is UTF-16
    declaration = _DECLARATION.match(head)
    if declaration is None:
        if b"<?xml" in head[:8]:
            raise DdfError(1, "LWM2M", "not XML: the XML declaration has no end")
        return
    found = _ENCODING.search(declaration[1])
    name = found[1].decode("latin-1") if found else "utf-8"
    if not _ENCODINGS.fullmatch(name):
        allowed = "UTF-8, UTF-16, US-ASCII, ISO-8859-x and windows-125x"
        raise DdfError(1, "LWM2M", f"encoding {_short(name)} is not allowed, but {allowed}")


class _Text(NamedTuple):
    text: str
    line: int


class _Fields:
    """The texts of one Object or Item element while it is open."""

    def __init__(self, element: str, line: int) -> None:
        self.element, self.line = element, line
        self.texts: dict[str, _Text] = {}

    def text(self, name: str, default: str | None = None) -> str:
        found = self.texts.get(name)
        if found is None and default is None:
            raise DdfError(self.line, self.element, f"has no element {name}")
        return found.text if found else default or ""

    def filled(self, name: str) -> str:
        return self.text(name) or self.refuse(name, "a name")

    def word(self, name: str, words: Mapping[str, T]) -> T:
        """The meaning of a text that must be one of `words`, in any case."""
        key = self.text(name).lower()
        if key not in words:
            self.refuse(name, f"one of {', '.join(repr(each) for each in words)}")
        return words[key]

    def number(self, name: str) -> int:
        number = _id(self.text(name))
        return self.refuse(name, f"a number from 0 to {MAX_ID}") if number is None else number

    def version(self, name: str) -> str:
        """The text of a version, "1.0" where there is none (the schemas make it optional)."""
        parsed = parse_version(self.text(name, "1.0") or "1.0")
        if parsed is None:
            self.refuse(name, "a version such as 1.0")
        return f"{parsed[0]}.{parsed[1]}"

    def refuse(self, name: str, allowed: str) -> NoReturn:
        text, line = self.texts[name]
        raise DdfError(line, name, f"{_short(text)} is not {allowed}")


class _Reader(ContentHandler):
    """Takes the parser's events; `objects` is complete when the parser is done."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[tuple[int, str], ObjectDefinition] = {}
        self._path: tuple[str, ...] = ()
        self._elements = 0
        self._object = _Fields("Object", 0)
        self._resources: dict[int, ResourceDefinition] = {}
        self._item = _Fields("Item", 0)
        self._item_id = 0
        self._text: list[str] | None = None
        self._text_line = self._text_chars = 0
        self._open = {_ROOT: self._open_root, _OBJECT: self._open_object, _ITEM: self._open_item}
        self._close = {_OBJECT: self._close_object, _ITEM: self._close_item}

    @property
    def element(self) -> str:
        """The innermost open element, for messages."""
        return self._path[-1] if self._path else _ROOT[0]

    def refuse(self, problem: str) -> NoReturn:
        raise DdfError(self._line(), self.element, problem) from None

    def _line(self) -> int:
        # The parser gives the locator before its first event.
        locator: Locator | None = getattr(self, "_locator", None)
        return (locator.getLineNumber() or 0) if locator else 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        parent = self._path
        self._path = (*parent, name.rpartition(":")[2])
        self._check_bounds()
        if self._path in self._open:
            self._open[self._path](attrs)
        elif self.element in _FIELDS.get(parent, ()):
            self._text, self._text_line, self._text_chars = [], self._line(), 0

    def _check_bounds(self) -> None:
        self._elements += 1
        if self._path[:1] != _ROOT:
            self.refuse("the outermost element is not LWM2M")
        if len(self._path) > MAX_DEPTH:
            self.refuse(f"is nested deeper than {MAX_DEPTH} elements")
        if self._elements > MAX_ELEMENTS:
            self.refuse(f"the file has more than {MAX_ELEMENTS} elements")

    def characters(self, content: str) -> None:
        if self._text is None or self._path[:-1] not in _FIELDS:
            return
        self._text_chars += len(content)
        limit = MAX_DESCRIPTION_CHARS if self.element in _DESCRIPTIONS else MAX_TEXT_CHARS
        if self._text_chars > limit:
            self.refuse(f"has more than {limit} characters")
        self._text.append(content)

    def endElement(self, name: str) -> None:
        parent = self._path[:-1]
        if self._path in self._close:
            self._close[self._path]()
        elif self._text is not None and parent in _FIELDS:
            self._keep_text(self._object if parent == _OBJECT else self._item)
        self._path = parent

    def endDocument(self) -> None:
        if not self.objects:
            self.refuse("has no element Object")

    def _keep_text(self, fields: _Fields) -> None:
        if self.element in fields.texts:
            self.refuse(f"occurs twice in one {fields.element}")
        text = "".join(self._text or ()).strip()
        if self.element not in _DESCRIPTIONS:
            text = " ".join(text.split())  # files are indented inside names and ranges, too
        fields.texts[self.element] = _Text(text, self._text_line)
        self._text = None

    def _open_root(self, attrs: AttributesImpl) -> None:
        """Nothing to keep: its attributes only name the schema."""

    def _open_object(self, attrs: AttributesImpl) -> None:
        if len(self.objects) == MAX_OBJECTS:
            self.refuse(f"the file has more than {MAX_OBJECTS} objects")
        self._object, self._resources = _Fields("Object", self._line()), {}

    def _open_item(self, attrs: AttributesImpl) -> None:
        if len(self._resources) == MAX_RESOURCES:
            self.refuse(f"the object has more than {MAX_RESOURCES} resources")
        number = _id(attrs.get("ID", "").strip())
        if number is None:
            self.refuse(
                f"attribute ID is {_short(attrs.get('ID'))}, not a number from 0 to {MAX_ID}"
            )
        if number in self._resources:
            self.refuse(f"ID {number} occurs twice in one object")
        self._item, self._item_id = _Fields("Item", self._line()), number

    def _close_item(self) -> None:
        item = self._item
        self._resources[self._item_id] = ResourceDefinition(
            id=self._item_id,
            name=item.filled("Name"),
            operations=item.word("Operations", _OPERATIONS),
            type=item.word("Type", _TYPES),
            multiple=item.word("MultipleInstances", _MULTIPLE),
            mandatory=item.word("Mandatory", _MANDATORY),
            range=item.text("RangeEnumeration", "") or None,
            units=item.text("Units", "") or None,
            description=item.text("Description", ""),
        )

    def _close_object(self) -> None:
        fields = self._object
        new = ObjectDefinition(
            id=fields.number("ObjectID"),
            version=fields.version("ObjectVersion"),
            name=fields.filled("Name"),
            urn=fields.text("ObjectURN", ""),
            multiple=fields.word("MultipleInstances", _MULTIPLE),
            mandatory=fields.word("Mandatory", _MANDATORY),
            lwm2m_version=fields.version("LWM2MVersion"),
            resources=self._resources,
            description=fields.text("Description1", ""),
        )
        if not self._resources:
            raise DdfError(fields.line, fields.element, "has no resources")
        if (new.id, new.version) in self.objects:
            fields.refuse("ObjectID", f"new: object {new.id} version {new.version} occurs twice")
        self.objects[new.id, new.version] = new


def _id(text: str) -> int | None:
    return int(text) if _ID.fullmatch(text) and int(text) <= MAX_ID else None


def _short(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}..."
