"""Distributions: every word of a drawing lies inside it."""

from __future__ import annotations

import re

import pytest

from qsmflow.reports.boxes import Values, boxes
from qsmflow.reports.sheet import text_width


@pytest.mark.parametrize("label", ["L2", "left red nucleus, core (small: from 8 voxels)", "W" * 80])
def test_no_label_begins_outside(label: str) -> None:
    drawn = boxes("Mean χ of a region", "ppm", [Values(label, [0.1, -0.2, 0.3], ["sub-01", "sub-02", "sub-03"])], ())
    (end, text), *_ = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="end">(.*?)</text>', drawn)
    assert text == f"{label}, n = 3"
    assert float(end) - text_width(text, 12) > 0
    width = float(re.findall(r'viewBox="0 0 (\d+) ', drawn)[0])
    assert float(end) < max(map(float, re.findall(r'cx="([\d.]+)"', drawn))) < width
