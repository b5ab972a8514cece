"""The verb `simulate`: flags, defaults, refusals."""

import dataclasses
import tomllib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmflow.cli import main as cli
from qsmflow.config import Simulate
from qsmflow.settings import from_table


@pytest.fixture(autouse=True)
def only_simulate(monkeypatch):
    monkeypatch.setattr(cli, "VERBS", ("simulate",))


def _labels(path: Path) -> Path:
    radius = np.linalg.norm(np.indices((24, 24, 24)) - 11.5, axis=0)
    labels = np.select([radius < 4, radius < 7, radius < 9], [2, 8, 13], 14).astype(np.uint8)
    nibabel.Nifti1Image(labels, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(path)
    return path


def test_a_label_map_becomes_a_dataset(tmp_path: Path, capsys) -> None:
    labels = _labels(tmp_path / "labels.nii.gz")
    out = tmp_path / "out"
    args = ["simulate", str(out), "--labels", str(labels), "--chi", "rc2", "--voxel-size", "4", "--te", "0.01"]
    assert cli.main([*args, "--angles", "0,0,0 -15,0,10", "--snr", "inf"]) == 0
    assert "derivatives/truth" in capsys.readouterr().out
    assert len(list(out.glob("sub-01/anat/*_MEGRE.nii.gz"))) == 4
    chi = np.asarray(
        nibabel.load(out / "derivatives/truth/sub-01/anat/sub-01_acq-ori1_desc-truth_Chimap.nii.gz").dataobj
    )
    assert chi.max() == pytest.approx(9.2) and chi.min() < -1.0
    used = from_table(Simulate, tomllib.loads((out / "code" / "simulate.toml").read_text()))
    assert used.te == (0.01,) and used.angles == ("0,0,0 -15,0,10",)


def test_every_setting_is_a_flag_with_its_meaning(capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for item in dataclasses.fields(Simulate):
        assert f"--{item.name.replace('_', '-')}" in shown
        assert item.metadata["doc"].split(",")[0].replace("-", "")[:20] in shown.replace("-", "")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--te", "0.02", "0.01"], "--te"),
        (["--subjects", "0"], "subjects"),
        (["--voxel-size", "one"], "--voxel-size"),
        (["--labels", "none.nii.gz", "--chi", "rc2"], "none.nii.gz"),
        (["--labels", "none.nii.gz"], "--chi"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path: Path, capsys, args: list[str], named: str) -> None:
    assert cli.main(["simulate", str(tmp_path / "out"), *args]) == 2
    error = capsys.readouterr().err.strip()
    assert named in error and len(error.splitlines()) == 1


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, capsys) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert cli.main(["simulate", str(tmp_path)]) == 2
    assert "new or empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
