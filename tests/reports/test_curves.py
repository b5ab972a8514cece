from __future__ import annotations

from pathlib import Path

from qsmflow.reports.collect import Found
from qsmflow.reports.curves import weight_picture

TOLD = {
    "TriedWeights": [0.01, 0.1, 1.0],
    "TriedMisfits": [0.1, 0.2, 0.4],
    "TriedPenalties": [9.0, 4.0, 1.0],
    "TriedChanges": [0.3, 0.2],
}


def found(**measured: object) -> Found:
    return Found(Path("chi.nii.gz"), {}, "l2", "Chimap", {"Measured": measured})


def test_the_curve_says_what_was_chosen() -> None:
    picture = weight_picture("sub-01", "L2", found(**TOLD, ChosenWeight=0.3))
    assert picture is not None and picture.name == "sub-01_l2_weight"
    assert "0.3 was chosen" in picture.alt and "3 weights from 0.01 to 1" in picture.alt
    assert picture.size[0] > 500 and picture.size[1] > 100


def test_no_choice_is_said_and_no_curve_is_no_picture() -> None:
    none = weight_picture("sub-01", "L2", found(**{**TOLD, "TriedChanges": [0.0, 0.0]}, ChosenWeight="none"))
    assert none is not None and "none was chosen" in none.alt
    assert weight_picture("sub-01", "L2", found()) is None
