from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from qsmflow.bids.naming import derivative_path
from qsmflow.errors import InputError
from qsmflow.reports.collect import collect, earlier_files
from qsmflow.reports.measures import angle_between, millilitres, spread
from qsmflow.reports.record import RunRecord, of_subject, records_of_heads, write_record
from qsmflow.reports.volume import Volume
from tests.reports.tree import head, one_series, orientations, save


def test_orientations_make_one_head(tmp_path: Path) -> None:
    orientations(tmp_path, 3)
    (head,) = collect(tmp_path, "01")
    assert head.name == "sub-01" and head.reference == "ori1"
    assert [one.label for one in head.series] == ["ori1", "ori2", "ori3"]
    assert set(head.shared) == {"cosmos", "cosmoskspace"}
    assert set(head.transforms) == {"ori2", "ori3"}
    assert set(head.series[0].moved) == set() and set(head.series[1].moved) == {"registered", "local"}


def test_any_entity_may_tell_orientations_apart(tmp_path: Path) -> None:
    orientations(tmp_path, 2)
    for path in sorted((tmp_path / "sub-01").rglob("*acq-ori*")):
        path.rename(path.with_name(path.name.replace("acq-ori", "dir-ori")))
    (head,) = collect(tmp_path, "01")
    assert [one.name for one in head.series] == ["sub-01_dir-ori1", "sub-01_dir-ori2"]


def test_a_transform_may_leave_the_entity_out(tmp_path: Path) -> None:
    orientations(tmp_path, 2)
    for path in sorted((tmp_path / "sub-01").rglob("*_xfm.*")):
        path.rename(path.with_name(path.name.replace("_acq-ori2", "")))
    (head,) = collect(tmp_path, "01")
    assert set(head.transforms) == {"ori2"} and len(head.series) == 2


def test_series_without_a_transform_stand_alone(tmp_path: Path) -> None:
    one_series(tmp_path, ("local",), run="1")
    one_series(tmp_path, ("local",), run="2")
    assert [head.series[0].name for head in collect(tmp_path, "01")] == ["sub-01_run-1", "sub-01_run-2"]
    assert collect(tmp_path, "02") == []


def test_a_broken_sidecar_is_named(tmp_path: Path) -> None:
    one_series(tmp_path, ("local",))
    next((tmp_path / "sub-01").rglob("*.json")).write_text("{")
    with pytest.raises(InputError, match=r"sub-01_desc-local_fieldmap.json: not readable as JSON"):
        collect(tmp_path, "01")


def test_measures() -> None:
    data = np.zeros((4, 4, 4), np.float32)
    data[:2] = [[[1.0]]]
    data[0, 0, 0] = np.nan
    volume = Volume(data, (10.0, 10.0, 10.0), np.eye(4))
    found = spread(volume, np.isnan(data) | (data > 0))
    assert found is not None and found.mean == 1.0 and found.sd == 0.0 and found.missing == 1
    assert spread(volume, np.zeros_like(data, bool)) is None
    assert millilitres(volume) == pytest.approx(31.0)
    assert angle_between((0, 0, 1), (0, 1, 1)) == pytest.approx(45.0)
    assert angle_between((0, 0, 1), (0, 0, -2)) == pytest.approx(180.0)


def test_the_wrapped_phase_of_an_echo_belongs_to_its_series(tmp_path: Path) -> None:
    save(tmp_path, {"sub": "01"}, "local", head()["local"])
    save(tmp_path, {"sub": "01"}, "wrapped", head()["local"], echo="3", part="phase")
    (one,) = collect(tmp_path, "01")[0].series
    assert set(one.native) == {"local", "wrapped"}


def recorded(root: Path, started: str, *kinds: str, head: str = "sub-01", **entities: str) -> None:
    """The record of a run that made `kinds` of the head, whose series has `entities`."""
    paths = [derivative_path(root, {"sub": "01", **entities}, kind).relative_to(root).as_posix() for kind in kinds]
    write_record(root, RunRecord("qsmflow run", started, derivatives={head: tuple(paths)}))


def left_over(root: Path) -> list[Path]:
    return earlier_files(root, "01", of_subject(records_of_heads(root), "01"))


def test_what_the_last_run_did_not_make_is_of_an_earlier_one(tmp_path: Path) -> None:
    one_series(tmp_path, ("local", "tkd", "l2"))
    theirs = derivative_path(tmp_path, {"sub": "01"}, "l2").with_name("sub-01_desc-other_Chimap.nii.gz")
    shutil.copy(derivative_path(tmp_path, {"sub": "01"}, "l2"), theirs)
    assert left_over(tmp_path) == []  # no record lists what its run made
    recorded(tmp_path, "2026-01-01T10:00:00+00:00", "local", "tkd", "l2")
    assert left_over(tmp_path) == []
    recorded(tmp_path, "2026-01-02T10:00:00+00:00", "local", "tkd")
    left = left_over(tmp_path)
    assert [path.name for path in left] == ["sub-01_desc-l2_Chimap.nii.gz"]
    (one,) = collect(tmp_path, "01", left)[0].series
    assert set(one.native) == {"local", "tkd", "other"}


def test_each_head_has_a_last_run_of_its_own(tmp_path: Path) -> None:
    for session in ("a", "b"):
        one_series(tmp_path, ("local", "l2"), ses=session)
    recorded(tmp_path, "2026-01-01T10:00:00+00:00", "local", "l2", head="sub-01_ses-a", ses="a")
    recorded(tmp_path, "2026-01-02T10:00:00+00:00", "local", head="sub-01_ses-b", ses="b")
    assert [path.name for path in left_over(tmp_path)] == ["sub-01_ses-b_desc-l2_Chimap.nii.gz"]
