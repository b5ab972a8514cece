"""The verb `study`: what it lists and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qsmflow.cli import main as cli
from qsmflow.studies import catalogue, conduct


@pytest.fixture(autouse=True)
def only_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", ("study",))


def test_help_lists_every_study_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["study", "--help"])
    told = capsys.readouterr().out
    for name in catalogue.NAMES:
        assert f"  {name:16s}{catalogue.about(name).splitlines()[0]}" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "invalid choice: 'nothing'"),
        (["scale", "--nprocs", "0"], "--nprocs 0: give at least 1"),
        (["scale", "--sbatch=--mem=4G"], "--sbatch: is for --worker slurm alone"),
        (["orientation", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["challenge", "--brain", "brain.nii"], "--brain: is of a label map; give --labels too"),
        (["challenge", "--labels", "nowhere.nii"], "nowhere.nii: no such file"),
        (["challenge", "--voxel-size", "9"], "--voxel-size 9: give 0.4 to 8 mm"),
        (["all", "--voxel-size", "2"], "--voxel-size: study scale simulates no head here; leave it out"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) == 1


def test_all_runs_every_study_with_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    def record(name: str, request: Any, out: Path, **options: Any) -> Path:
        options["tell"](f"score {name}")
        asked[name] = (request.quick, request.data, out, options["worker"], options["processes"], options["command"])
        return out / name / "index.html"

    monkeypatch.setattr(conduct, "conduct", record)
    words = ["study", "all", "--quick", "--out", str(tmp_path), "--nprocs", "3"]
    assert cli.main(words) == 0
    assert tuple(asked) == catalogue.NAMES
    assert set(asked.values()) == {
        (True, None, tmp_path, "cf", 3, f"qsmflow study all --quick --out {tmp_path} --nprocs 3")
    }
    assert capsys.readouterr().out.count("index.html") == len(catalogue.NAMES)
