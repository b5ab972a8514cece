from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from qsmflow.errors import InputError
from qsmflow.reports.facts import moment, of_subject
from qsmflow.reports.record import NodeRecord, RunRecord, latest_record, latest_records, read_record, write_record

RECORD = RunRecord(
    command="qsmflow run a b participant",
    started="2026-01-01T10:00:00.000001+00:00",
    found=("one",),
    skipped=(("sub-01", "why"),),
    errors=(("node", "file"),),
    executed=3,
    nodes=(NodeRecord("node", 1.5, 2.0), NodeRecord("other", 0.5, 2.0, 1.0)),
)


def test_round_trip(tmp_path: Path) -> None:
    path = write_record(tmp_path, RECORD)
    assert path.parent == tmp_path / "logs"
    assert read_record(path) == RECORD


def test_the_latest_run_counts(tmp_path: Path) -> None:
    assert latest_record(tmp_path, "01") is None
    later = dataclasses.replace(RECORD, started="2026-01-01T10:00:01.000000+00:00")
    write_record(tmp_path, later)
    write_record(tmp_path, RECORD)
    assert latest_record(tmp_path, "01") == later
    assert latest_record(tmp_path, "02") is None


def test_each_subject_has_the_last_run_that_speaks_of_it(tmp_path: Path) -> None:
    other = dataclasses.replace(RECORD, started="2026-01-02T10:00:00+00:00", found=("sub-02: 1 series",), skipped=())
    write_record(tmp_path, RECORD)
    write_record(tmp_path, other)
    assert latest_records(tmp_path) == {"01": RECORD, "02": other}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"command": "a", "started": "b", "other": 1}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match="not a run record"):
        read_record(tmp_path / "run.json")


def test_subjects_are_told_apart() -> None:
    assert (
        of_subject("01", "sub-01_acq-ori1")
        and of_subject("01", "qsmflow.sub_01.unwrap")
        and of_subject("01", "dataset")
    )
    assert not of_subject("01", "sub-011") and not of_subject("01", "qsmflow.sub_02_wf.unwrap")


def test_times_are_readable() -> None:
    assert moment("2026-01-31T10:00:00.5+00:00") == "2026-01-31 10:00:00 UTC"
    assert moment("2026-01-31T10:00:00+01:00") == "2026-01-31 10:00:00+01:00"
