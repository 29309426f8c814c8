"""Who asks the server over HTTP, as an operator does: with the token of the bench.

Knows how to ask and how to read a figure; what is asked is each bench's own business.
"""

from __future__ import annotations

import re

import httpx

from bench import rig, servers

CALL_LIMIT_S = 60.0


class Operator(httpx.Client):
    """A client of one running server; `with` closes it."""

    def __init__(self, server: servers.Server) -> None:
        super().__init__(
            base_url=server.http or "",
            headers={"Authorization": f"Bearer {servers.ADMIN_TOKEN}"},
            trust_env=False,
            timeout=CALL_LIMIT_S,
        )
        self.server = server

    def count(self, name: str) -> float:
        """A figure of /metrics. Raises rig.LoadFailed when there is none of that name."""
        found = re.search(rf"^lwm2m_fast_{name} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        if found is None:
            raise rig.LoadFailed(f"the server has no figure {name}")
        return float(found[1])

    def longest_stall_ms(self) -> float:
        """The server's own gauge of its loop, since its start."""
        return self.count("loop_stall_max_seconds") * 1e3
