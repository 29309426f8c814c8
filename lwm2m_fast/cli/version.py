"""`lwm2m-fast version`"""

from __future__ import annotations

import platform

from lwm2m_fast import __version__
from lwm2m_fast.cli.output import tell
from lwm2m_fast.net.dtls_session import library


def version() -> None:
    """Print the version, and that of the DTLS library with what it can."""
    tell(f"lwm2m-fast {__version__} (Python {platform.python_version()})")
    tell(library())
