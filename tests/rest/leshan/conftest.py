from __future__ import annotations

import pytest
from leshan_service import Face


@pytest.fixture
def face() -> Face:
    return Face()
