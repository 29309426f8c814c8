"""Where a configuration comes from, and what is said when it cannot be used.

Each source wins over the next: command-line flags, environment (`LWM2M_FAST_COAP__PORT`), other
servers' variables (aliases.py), one TOML or YAML file with `${NAME:default}` in it, a preset, the
defaults in config/. Nothing else in the package reads the environment or a configuration file.
Knows no setting by name but `preset`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from lwm2m_fast.aliases import Taken, taken
from lwm2m_fast.config import ENV_PREFIX, Config, contradictions, sections, settings
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.presets import PRESETS

MAX_FILE_BYTES = 1 << 20


class _Source(NamedTuple):
    name: str
    values: dict[str, Any]
    names: Mapping[str, str] = {}
    """Where each setting has a place of its own: its path to that."""

    def place(self, path: str) -> str:
        """Where the setting `path` stands, in words."""
        return self.names.get(path) or self.name or ENV_PREFIX + path.replace(".", "__").upper()


def load(
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    notes: list[str] | None = None,
) -> Config:
    """The configuration from flags over environment over `file` over a preset over defaults.

    `flags` is nested like the tree ({"coap": {"port": 0}}). `notes` gets a line for each variable
    of another server that is not used, and why, and for what a preset cannot have. Raises
    ConfigError with one line per problem: the setting, where it was given, the value (never a
    secret's) and what is allowed.
    """
    own = [_Source("the command line", dict(flags or {})), _Source("", _environment())]
    others = taken(os.environ)
    if notes is not None:
        notes += [*others.notes, *_outvoted(others, own)]
    sources = [*own, _Source("", others.values, others.names)]
    if file is not None:
        sources.append(_Source(str(file), _read(file)))
    problems = [
        f"{name} (from {source.place(name)}): must be a section with settings"
        for source in sources
        for name in sections()
        if not isinstance(source.values.get(name, {}), Mapping)
    ]
    if problems:  # a section that is no section would be hidden by any other source's
        raise ConfigError("\n".join(problems))
    preset = next((s.values["preset"] for s in sources if "preset" in s.values), None)
    if isinstance(preset, str) and preset in PRESETS:  # any other is refused below
        sources.append(_Source(f"preset {preset}", dict(PRESETS[preset].values)))
        if notes is not None and PRESETS[preset].note:
            notes.append(f"preset {preset}: {PRESETS[preset].note}")
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        _merge(merged, source.values)
    try:
        config = Config(**merged)
    except ValidationError as error:
        lines = [_explain(dict(problem), sources) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None
    if wrong := contradictions(config):
        raise ConfigError("\n".join(wrong))
    return config


def _outvoted(others: Taken, own: list[_Source]) -> list[str]:
    """Other servers' variables whose setting has another value from a source of ours."""
    found = []
    for path, variable in others.names.items():
        given = _at(others.values, path.split("."))
        for source in own:
            value = _at(source.values, path.split("."))
            if value is ...:
                continue
            if str(value).lower() != str(given).lower():
                found.append(f"{variable} is not used: {path} is set by {source.place(path)}")
            break
    return found


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            into[key].update(value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _environment() -> dict[str, Any]:
    known = sections()
    unknown = [
        f"{name}: no section is called {name[len(ENV_PREFIX) :].split('__')[0].lower()!r}"
        for name in sorted(os.environ)
        if name.upper().startswith(ENV_PREFIX)
        and "__" in name
        and name[len(ENV_PREFIX) :].split("__")[0].lower() not in known
    ]
    if unknown:
        raise ConfigError("\n".join(f"{line}; there are {', '.join(known)}" for line in unknown))
    try:
        return EnvSettingsSource(Config)()
    except SettingsError as error:
        raise ConfigError(f"the environment cannot be read: {error}") from None


def _read(file: Path) -> dict[str, Any]:
    parse = {".toml": _parse_toml, ".yaml": _parse_yaml, ".yml": _parse_yaml}.get(
        file.suffix.lower()
    )
    if parse is None:
        raise ConfigError(f"{file}: a configuration file ends in .toml, .yaml or .yml")
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{file}: larger than the {MAX_FILE_BYTES} bytes allowed")
    try:
        values = parse(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must hold sections, not {type(values).__name__}")
    problems: list[str] = []
    resolved = _resolve(values, (), problems)
    if problems:
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems))
    return dict(resolved)


def _parse_toml(text: str) -> Any:
    import tomllib  # only the parser of the file that is there, if there is one

    return tomllib.loads(text)


def _parse_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        if error.problem_mark is None:
            raise ValueError(str(error)) from None
        # What is wrong and where, without the line itself: there may be a secret in it.
        mark = error.problem_mark
        raise ValueError(
            f"{error.problem} (at line {mark.line + 1}, column {mark.column + 1})"
        ) from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


# `${NAME}`, `${NAME:default}`; `$${` stands for a plain `${`.
_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")


def _resolve(value: Any, path: tuple[str, ...], problems: list[str]) -> Any:
    """Every `${NAME:default}` in every string below `value` replaced; types come later."""
    if isinstance(value, dict):
        return {str(k): _resolve(v, (*path, str(k)), problems) for k, v in value.items()}
    if not isinstance(value, str):
        return value

    def substitute(match: re.Match[str]) -> str:
        name: str | None = match[1]
        default: str | None = match[2]
        if name is None:
            return "${"
        found = os.environ.get(name, default)
        if found is None:
            problems.append(
                f"{'.'.join(path)}: ${{{name}}} is not in the environment and has no default "
                f"(write ${{{name}:default}})"
            )
        return found or ""

    return _VARIABLE.sub(substitute, value)


def _explain(problem: dict[str, Any], sources: list[_Source]) -> str:
    path = tuple(str(part) for part in problem["loc"])
    where = ".".join(path) + _origin(path, sources)
    if problem["type"] == "extra_forbidden":
        return f"{where}: there is no such setting{_near(path)}"
    setting = next(s for s in settings() if s.path == ".".join(path[: s.path.count(".") + 1]))
    given = "the value given" if setting.is_secret else _shown(problem["input"])
    return f"{where}: {given} is not allowed; it must be {setting.allowed}"


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"a {'section' if isinstance(value, dict) else 'list'}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _origin(path: tuple[str, ...], sources: list[_Source]) -> str:
    for source in sources:
        if _at(source.values, path) is not ...:
            return f" (from {source.place('.'.join(path))})"
    return ""


def _at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands at `path`; `...`: nothing."""
    at: Any = values
    for part in path:
        at = at.get(part, ...) if isinstance(at, Mapping) else ...
    return at


def _near(path: tuple[str, ...]) -> str:
    """A hint for a misspelt name: the nearest in its section, else the same name elsewhere."""
    names = {setting.path for setting in settings()} | set(sections())
    close = difflib.get_close_matches(".".join(path), names, n=1, cutoff=0.6)
    same = [name for name in sorted(names) if name.rpartition(".")[2] == path[-1]]
    hint = close[:1] or same[:1]
    return f"; did you mean {hint[0]}?" if hint else ""
