"""Numbers as a reader sees them."""

from __future__ import annotations

import pytest

from qsmflow.reports.words import counted, measure_title, significant, with_minus


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-0.5 ± 0.1", "−0.5 ± 0.1"),
        ("+0.1, -2.0, (-3)", "+0.1, −2.0, (−3)"),
        ("from -.5 to 1e-05", "from −.5 to 1e-05"),
        ("sub-01_acq-2, 2026-01-31, 3-D, -d labels=1", "sub-01_acq-2, 2026-01-31, 3-D, -d labels=1"),
    ],
)
def test_negative_numbers_alone_have_a_minus_sign(text: str, said: str) -> None:
    assert with_minus(text) == said


@pytest.mark.parametrize(("value", "said"), [(0.992, "0.9920"), (1425.2, "1425"), (31.4, "31.40"), (0.0, "0.000")])
def test_four_digits_are_kept(value: float, said: str) -> None:
    assert significant(value) == said


def test_names_and_counts() -> None:
    assert counted(1, "node", "nodes") == "1 node" and counted(0, "node", "nodes") == "0 nodes"
    assert measure_title("Weights, FieldNoise") == "Weights, FieldNoise (ppm)" and measure_title("Echoes") == "Echoes"
