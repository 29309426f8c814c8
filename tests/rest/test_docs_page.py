"""The interactive documentation works without the internet."""

from __future__ import annotations

import re

from fake_service import Api


def test_the_documentation_page_loads_nothing_from_elsewhere(api: Api) -> None:
    page = api.get("/docs", None).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    for address in addresses:
        found = api.get(re.sub(r"^https?://[^/]+", "", address), None)
        assert found.status_code == 200, address
        assert re.match(r"^(https?://test|/)", address), address


def test_the_documentation_page_does_not_keep_a_token_in_the_browser(api: Api) -> None:
    assert '"persistAuthorization": false' in api.get("/docs", None).text
