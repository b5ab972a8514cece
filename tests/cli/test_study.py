"""The verb `study`: what it lists and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
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


@pytest.mark.parametrize("out", ["file/studies", "file", "/proc/studies"])
def test_a_folder_that_cannot_be_made_is_one_line(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert cli.main(["study", "scale", "--out", out]) == 2
    told = capsys.readouterr().err
    assert f"--out {out}: cannot be written (" in told and len(told.splitlines()) == 1


def test_bad_labels_are_refused_before_any_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.full((8, 8, 8), 15, np.float32)
    labels[2:6, 2:6, 2:6] = 1
    for name, volume in {"good": labels, "half": labels + 0.5, "new": labels + 200, "small": labels[2:]}.items():
        nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / f"{name}.nii")
    (tmp_path / "text.nii").write_text("no image")
    for told, *files in (
        ("not a readable NIfTI image", "text"),
        ("whole numbers", "half"),
        ("not in the tissue table", "new"),
        ("give a mask on its grid", "good", "small"),
    ):
        given = zip(("--labels", "--brain"), files, strict=False)
        words = [word for option, name in given for word in (option, str(tmp_path / f"{name}.nii"))]
        assert cli.main(["study", "challenge", "--out", str(tmp_path / "out"), *words]) == 2
        said = capsys.readouterr().err
        assert told in said and str(tmp_path / files[-1]) in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


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
