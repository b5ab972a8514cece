"""The section of one series: what is pictured, in which unit, and what should be looked at."""

from __future__ import annotations

from pathlib import Path

from qsmflow.reports.blocks import Note
from qsmflow.reports.collect import collect
from qsmflow.reports.maps import SeriesView, series_view
from tests.reports.tree import head, one_series, save


def view(root: Path) -> SeriesView:
    (series,) = collect(root, "01")[0].series
    return series_view(series, {}, with_viewer=False)


def test_noise_and_relaxation_are_pictured_with_their_units(tmp_path: Path) -> None:
    one_series(tmp_path, ("magnitude", "brain", "localmask", "total", "noise", "local", "r2star"))
    shown = view(tmp_path)
    alts = {picture.name: picture.alt for picture in shown.section.pictures()}
    assert list(alts)[1:] == [f"sub-01_{kind}" for kind in ("total", "noise", "local", "r2star")]
    assert alts["sub-01_noise"].startswith("Noise of the total field of sub-01 in three planes, shown from 0 to 3 ppb")
    assert alts["sub-01_r2star"].startswith("R2* of sub-01 in three planes, shown from 0 to 20 1/s")
    assert shown.numbers["R2*: mean ± SD (1/s)"].startswith("17.") and "R2*: mean ± SD (ppm)" not in shown.numbers
    assert shown.numbers["Noise of the total field: mean ± SD (ppb)"].startswith("2.50")


def test_what_a_stage_warns_of_stands_above_its_maps(tmp_path: Path) -> None:
    one_series(tmp_path, ("magnitude", "brain", "localmask", "local"))
    assert [block for block in view(tmp_path).section.blocks if isinstance(block, Note) and block.tone == "warn"] == []
    save(tmp_path, {"sub": "01"}, "l2", head()["l2"], Warnings=["the data chose no weight"])
    assert Note("L2: the data chose no weight.", "warn") in view(tmp_path).section.blocks


def test_regions_are_outlined_on_the_last_map_where_there_are_any(tmp_path: Path) -> None:
    one_series(tmp_path, ("magnitude", "brain", "localmask", "tkd", "l2"))
    nuclei = head()["cosmos"] > 0.1
    save(tmp_path, {"sub": "01"}, "rois", 2 * nuclei, Labels={"2": "nuclei"})
    alts = {picture.name: picture.alt for picture in view(tmp_path).section.pictures()}
    assert "Outlines of 1 regions" in alts["sub-01_rois"] and "on χ, L2 of" in alts["sub-01_rois"]
    save(tmp_path, {"sub": "01"}, "rois", 0 * nuclei, Labels={"2": "nuclei"})
    assert "sub-01_rois" not in {picture.name for picture in view(tmp_path).section.pictures()}


def test_the_wrapped_phase_tells_its_echo(tmp_path: Path) -> None:
    volumes = head()
    one_series(tmp_path, ("magnitude", "brain"))
    save(tmp_path, {"sub": "01", "echo": "2", "part": "phase"}, "wrapped", volumes["total"])
    (picture,) = [one for one in view(tmp_path).section.pictures() if one.name == "sub-01_wrapped"]
    assert picture.alt.startswith("Wrapped phase, echo 2 (TE 20 ms) of sub-01")
    assert picture.caption.startswith("Wrapped phase, echo 2 (TE 20 ms)")
