"""What no scanner acquires is refused in a notebook too, before any compute."""

from __future__ import annotations

from typing import Any

import pytest

from qsmflow.errors import UsageError
from qsmflow.interfaces.acquired import check_acquired
from qsmflow.interfaces.inversion import TKD
from qsmflow.settings import ConfigError


@pytest.mark.parametrize(
    "inputs",
    [{}, {"te": [0.004, 0.012], "b0": 3.0}, {"te": 0.0, "b0": 0.05}, {"te": [0.02]}, {"te": 0.02}],
)
def test_what_a_scanner_acquires_passes(inputs: dict[str, Any]) -> None:
    check_acquired(inputs)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"te": [0.0, 0.01]}, "te: 0 s is no echo time"),
        ({"te": [0.01, 0.01]}, "te: 0.01 s comes after 0.01 s"),
        ({"te": 20.0}, "te: 20 s is no echo time: milliseconds"),
        ({"te": float("nan")}, "te: nan s is no echo time"),
        ({"te": -0.01}, "te: -0.01 s is no echo time"),
        ({"b0": 0.0}, "b0: 0 T is no field strength"),
    ],
)
def test_what_none_acquires_is_refused(inputs: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check_acquired(inputs)


def test_a_stage_refuses_its_settings() -> None:
    with pytest.raises(ConfigError, match="two_pass: inf is not a finite number"):
        TKD(two_pass=float("inf")).check()
