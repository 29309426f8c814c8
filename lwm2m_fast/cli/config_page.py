"""The configuration as documents, all printed from config.py: a TOML file and docs/config.md."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from lwm2m_fast.config import Config, Setting, sections, settings

WIDTH = 98

INTRO = """# Configuration

Printed by `lwm2m-fast config --page` from `lwm2m_fast/config.py`; edit that, not this.

Each source wins over the next: flags of `lwm2m-fast serve`, environment variables, the file
given with `--config` (`.toml`, `.yaml` or `.yml`), the defaults below. In a file,
`${NAME}` and `${NAME:default}` in any text stand for environment variables (`$${` is a plain
`${`); what comes out is then read as the type that the setting has. A name that does not exist
or a value that is not allowed stops the start with a line for each.

`lwm2m-fast config --docs` prints a file with every default and its reason; `lwm2m-fast config`
prints what is in effect.
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
    return "\n".join(parts) + "\n"


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
