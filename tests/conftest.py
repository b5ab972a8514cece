"""What the tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data to test on; the tests that want it are skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("QSMFLOW_TEST_DATA", beside))
    if not path.is_dir():
        pytest.skip("no real data: set QSMFLOW_TEST_DATA")
    return path
