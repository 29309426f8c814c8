"""The configuration as documents, all printed from config/: a TOML file and docs/config.md."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from lwm2m_fast.aliases import ALIASES, UNUSED
from lwm2m_fast.config import Config, Setting, sections, settings
from lwm2m_fast.presets import NOT_HERE, PRESETS

WIDTH = 98

INTRO = """# Configuration

Printed by `lwm2m-fast config --page` from `lwm2m_fast/config/`; edit that, not this.

Each source wins over the next: flags of `lwm2m-fast serve`, environment variables, [variables of
other servers](#variables-of-other-servers), the file given with `--config` (`.toml`, `.yaml` or
`.yml`), a [preset](#presets), the defaults below. In a file,
`${NAME}` and `${NAME:default}` in any text stand for environment variables (`$${` is a plain
`${`); what comes out is then read as the type that the setting has. A name that does not exist
or a value that is not allowed stops the start with a line for each.

`lwm2m-fast config --docs` prints a file with every default and its reason; `lwm2m-fast config`
prints what is in effect.
"""

PRESETS_INTRO = """`lwm2m-fast serve --preset NAME`, `preset = "NAME"` in the file, or
`LWM2M_FAST_PRESET`; what is empty below keeps its default.
"""

ALIASES_INTRO = """ThingsBoard's LwM2M transport and older layouts of it are set by these variables.
They are taken for the setting beside them where nothing of ours says it: a flag or a variable of
ours wins, and of two of these for one setting the upper one. What is not used is logged at the
start, by name and never with its value.
"""

UNUSED_INTRO = """These are known and set nothing here; the log says so once for each that is there.
Other names that begin with `LWM2M_` are logged, too, all on one line.
"""


def file(config: Config, explained: bool) -> str:
    """`config` as a TOML file, with or without the reasons. Secrets are left out."""
    lines: list[str] = []
    last = ""
    for setting in settings():
        if setting.section != last:
            last = setting.section
            lines += ["", *_comment(sections()[last].__doc__, explained), f"[{last}]"]
        if explained:
            reason = f"{setting.info.description} ({setting.allowed}; {setting.env})"
            lines += ["", *_comment(reason, True)]
        lines.append(_line(setting, _value(config, setting)))
    return "\n".join(lines).strip() + "\n"


def page() -> str:
    """docs/config.md."""
    parts = [INTRO, "## Top level\n", *_table("")]
    for section, model in sections().items():
        parts += [f"\n## [{section}]\n", f"{model.__doc__}\n", *_table(section)]
    parts += ["\n## Presets\n", *_presets()]
    parts += ["\n## Variables of other servers\n", *_aliases()]
    return "\n".join(parts) + "\n"


def _presets() -> list[str]:
    known = {setting.path for setting in settings()}
    columns = " | ".join(f"`{name}`" for name in PRESETS)
    paths = [
        path
        for path in sorted(known)
        if any(_preset_value(name, path) is not None for name in PRESETS)
    ]
    rows = [f"| setting | {columns} |", "|---" * (len(PRESETS) + 1) + "|"]
    for path in paths:
        values = (_preset_value(name, path) for name in PRESETS)
        cells = " | ".join("" if value is None else f"`{_toml(value)}`" for value in values)
        rows.append(f"| `{path}` | {cells} |")
    reasons = [f"- `{name}`: {preset.reason}" for name, preset in PRESETS.items()]
    return [PRESETS_INTRO, *reasons, "", *rows, "", NOT_HERE]


def _preset_value(name: str, path: str) -> Any:
    section, _, own = path.rpartition(".")
    return PRESETS[name].values.get(section, {}).get(own)


def _aliases() -> list[str]:
    rows = ["| variable | setting | of | counts |", "|---|---|---|---|"]
    for alias in ALIASES:
        counts = " and ".join(
            f"with `{switch}` = `{wanted.lstrip('?')}`" + (" or unset" if wanted[0] == "?" else "")
            for switch, wanted in alias.only_if
        )
        note = f" ({alias.note})" if alias.note else ""
        rows.append(
            f"| `{alias.variable}` | `{alias.path}`{note} | {alias.since} | {counts or 'always'} |"
        )
    rows += ["", UNUSED_INTRO, "| variable | why |", "|---|---|"]
    rows += [f"| `{name}` | {why} |" for name, why in UNUSED.items()]
    return [ALIASES_INTRO, *rows]


def _table(section: str) -> list[str]:
    rows = ["| setting | default | allowed | environment | what and why |", "|---|---|---|---|---|"]
    for setting in settings():
        if setting.section == section:
            default = setting.info.default
            shown = "unset" if default is None else f"`{_toml(default)}`"
            cells = (
                f"`{setting.name}`",
                shown,
                setting.allowed,
                f"`{setting.env}`",
                str(setting.info.description),
            )
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def _value(config: Config, setting: Setting) -> Any:
    holder = getattr(config, setting.section) if setting.section else config
    return getattr(holder, setting.name)


def _line(setting: Setting, value: Any) -> str:
    if isinstance(value, SecretStr):
        return f'# {setting.name} = "(set, not shown)"'
    return f'# {setting.name} = ""' if value is None else f"{setting.name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, (str, Path)):
        # JSON's escapes are TOML's; a lone `${` must come back as it is.
        return json.dumps(str(value).replace("${", "$${"))
    return json.dumps(value)


def _comment(text: str | None, wanted: bool) -> list[str]:
    if not wanted or text is None:
        return []
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
