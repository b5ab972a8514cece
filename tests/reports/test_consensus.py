"""The acquisition against the recommendations, item by item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qsmflow.reports.collect import SeriesFiles, collect
from qsmflow.reports.consensus import acquisition_table, reporting_table
from tests.reports.tree import head, save


def series(root: Path, te: list[float], rate: float) -> SeriesFiles:
    """A series of `te`, s, whose brain decays by `rate`, 1/s, and whose voxels are 3 x 3 x 4 mm."""
    volumes = head()
    save(root, {"sub": "01"}, "brain", volumes["brain"], EchoTime=te)
    save(root, {"sub": "01"}, "r2star", np.full_like(volumes["brain"], rate), EchoTime=te)
    (one,) = collect(root, "01")[0].series
    return one


@pytest.mark.parametrize(
    ("te", "rate", "echoes", "spacing", "last"),
    [
        ([0.005, 0.015, 0.025], 40.0, "yes", "yes", "yes"),
        ([0.005, 0.015, 0.030], 100.0, "yes", "no", "no"),
        ([0.005, 0.015], 20.0, "no", "not known", "no"),
    ],
)
def test_what_fits(tmp_path: Path, te: list[float], rate: float, echoes: str, spacing: str, last: str) -> None:
    fits = {row[0]: row[-1] for row in acquisition_table(series(tmp_path, te, rate)).rows}
    assert (fits["Number of echoes"], fits["Echo spacing"], fits["Last echo"]) == (echoes, spacing, last)
    assert (fits["Readout"], fits["Voxel"]) == ("not known", "no")


def test_what_is_not_stated_is_not_known(tmp_path: Path) -> None:
    save(tmp_path, {"sub": "01"}, "local", head()["local"], EchoTime=None)
    (one,) = collect(tmp_path, "01")[0].series
    fits = {row[0]: row[-1] for row in acquisition_table(one).rows}
    assert {fits[item] for item in ("Sequence", "Number of echoes", "Echo spacing", "Last echo")} == {"not known"}


def test_the_settings_of_the_run_are_reported(tmp_path: Path) -> None:
    settings = {"unwrap": {"method": "segue"}, "reference": "csf"}
    told = dict(reporting_table(series(tmp_path, [0.005, 0.015], 20.0), settings).rows)
    assert told["Unwrapping"] == "SEGUE" and told["Zero of the susceptibility"] == "csf"
    assert told["Scanner"] == told["Flip angle"] == "not stated"
    assert told["Echo times"] == "5, 15 ms" and told["Voxel"] == "3 × 3 × 4 mm"


def test_what_the_scanner_told_is_reported(tmp_path: Path) -> None:
    scanner = {"Manufacturer": "Siemens", "ManufacturersModelName": "Prisma", "MRAcquisitionType": "2D"}
    scan = {"RepetitionTimeExcitation": 0.035, "FlipAngle": 15, "PartialFourier": 0.75}
    save(tmp_path, {"sub": "01"}, "magnitude", head()["magnitude"], **scanner, **scan)
    (one,) = collect(tmp_path, "01")[0].series
    told = dict(reporting_table(one, {}).rows)
    assert (told["Scanner"], told["Repetition time"], told["Flip angle"]) == ("Siemens, Prisma", "35 ms", "15°")
    assert told["Acceleration"] == "0.75 of k-space (partial Fourier)" and told["Coil"] == "not stated"
    sequence = acquisition_table(one).rows[0]
    assert sequence[0] == "Sequence" and sequence[2:] == ["2D, 5, 20 ms", "no"]


def test_a_supplied_field_was_not_unwrapped(tmp_path: Path) -> None:
    settings = {"unwrap": {"method": "segue"}}
    save(tmp_path, {"sub": "01"}, "local", head()["local"], Method="supplied by the user", EchoTime=[0.02])
    (one,) = collect(tmp_path, "01")[0].series
    assert dict(reporting_table(one, settings).rows)["Unwrapping"] == "none: the local field was supplied"
    assert next(row for row in acquisition_table(one).rows if row[0] == "Echo spacing")[2:] == ["one echo", "not known"]
    save(tmp_path, {"sub": "01"}, "local", head()["local"], Method="V-SHARP", Stage="vsharp")
    save(tmp_path, {"sub": "01"}, "total", head()["total"], Method="weighted least squares")
    (one,) = collect(tmp_path, "01")[0].series
    assert dict(reporting_table(one, settings).rows)["Unwrapping"] == "SEGUE"


def test_methods_are_named_with_what_decides(tmp_path: Path) -> None:
    volumes = head()
    before = {"Stage": "brain_mask", "Method": "FSL BET", "Parameters": {"method": "bet", "bet_fraction": 0.4}}
    made = {
        "brain": {"Stage": "quality_mask", "Method": "ROMEO voxel quality", "Parameters": {"threshold": 0.3}},
        "local": {"Stage": "vsharp", "Method": "V-SHARP", "Parameters": {"max_radius": 12.0, "min_radius": 2.0}},
        "tkd": {"Stage": "tkd", "Method": "truncated division", "Parameters": {"threshold": 0.25, "rescale": True}},
        "l2": {"Stage": "l2", "Method": "L2", "Parameters": {"weight": 0.02, "choose_weight": "lcurve"}},
    }
    made["brain"]["StagesBefore"] = [before]
    for kind, sidecar in made.items():
        save(tmp_path, {"sub": "01"}, kind, volumes[kind], **sidecar)
    (one,) = collect(tmp_path, "01")[0].series
    told = dict(reporting_table(one, {}).rows)
    assert told["Masking"] == "FSL BET (bet fraction 0.4), then ROMEO voxel quality (threshold 0.3)"
    assert told["Background removal"] == "V-SHARP (max radius 12 mm, min radius 2 mm)"
    assert told["Inversion"] == "TKD (truncated division; threshold 0.25, rescale); L2 (weight 0.02)"
