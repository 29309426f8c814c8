from __future__ import annotations

import pytest
from fake_service import Api, FakeService


@pytest.fixture
def api() -> Api:
    return Api(FakeService("dev-1", "urn:imei:356938035643809", "a/b", "wärme-π"))
