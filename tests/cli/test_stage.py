"""``qsmflow stage``: real stages on real files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.cli.main import main
from qsmflow.core.dipole import forward_field
from qsmflow.interfaces.volume import Volume, load, save
from qsmflow.phantom.analytic import coordinates

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture
def problem(tmp_path: Path) -> tuple[Path, Path, torch.Tensor]:
    """A local field and a mask on disk, and the susceptibility behind them."""
    points = coordinates((24, 24, 24), (2, 2, 2))
    chi = 0.1 * torch.exp(-(points.norm(dim=-1) ** 2) / 60)
    mask = points.norm(dim=-1) < 20
    field, inside = tmp_path / "field.nii", tmp_path / "mask.nii"
    save(Volume(forward_field(chi, (2, 2, 2)), AFFINE), field)
    save(Volume(mask, AFFINE), inside)
    return field, inside, chi


def test_inversion_on_files(problem: tuple[Path, Path, torch.Tensor], tmp_path: Path) -> None:
    field, mask, chi = problem
    out = tmp_path / "out"
    code = main(
        ["stage", "tkd", "--in_file", str(field), "--mask", str(mask), "--threshold", "0.1", "--out_dir", str(out)]
    )
    assert code == 0
    found = load(out / "tkd.nii").data
    inside = load(mask).mask
    assert float(torch.corrcoef(torch.stack([found[inside], chi[inside]]))[0, 1]) > 0.9
    told = json.loads((out / "tkd.json").read_text())
    assert told["Parameters"]["threshold"] == 0.1 and told["Measured"]["B0Direction"] == [0, 0, 1]
    assert nib.load(out / "tkd.nii").header.get_xyzt_units()[0] == "mm"


def test_list_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage"]) == 0
    listed = capsys.readouterr().out
    assert "vsharp" in listed and "cosmos" in listed
    with pytest.raises(SystemExit) as left:
        main(["stage", "vsharp", "--help"])
    assert left.value.code == 0
    assert "largest sphere, mm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["magic"], "no such stage"),
        (["tkd"], "--in_file is missing"),
        (["tkd", "--in_file", "nowhere.nii", "--mask", "nowhere.nii"], "no such file"),
        (["tkd", "--threshold", "x"], "invalid float"),
        (["unwrap", "--method", "magic"], "invalid choice"),
        (["tkd", "--b0_dir", "0,1"], "'0,1' is no vector; give three numbers with commas"),
        (["tkd", "--b0_dir", "-0.1,x,1"], "'-0.1,x,1' is no vector"),
    ],
)
def test_bad_use_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage", *words]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_failure_of_a_stage_is_one_line(
    problem: tuple[Path, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field, _, _ = problem
    empty = tmp_path / "empty.nii"
    save(Volume(torch.zeros(24, 24, 24, dtype=torch.bool), AFFINE), empty)
    assert main(["stage", "vsharp", "--in_file", str(field), "--mask", str(empty), "--out_dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "the mask is empty" in error and error.count("\n") == 1


def test_a_file_that_is_no_image_is_one_line(
    problem: tuple[Path, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field, _, _ = problem
    text = tmp_path / "text.nii"
    text.write_text("no image")
    assert main(["stage", "vsharp", "--in_file", str(field), "--mask", str(text), "--out_dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "text.nii" in error and error.count("\n") == 1


def test_value_out_of_range(problem: tuple[Path, Path, torch.Tensor], capsys: pytest.CaptureFixture[str]) -> None:
    field, mask, _ = problem
    for value, told in (("7", "7.0 is above 0.666667"), ("0", "0.0 is not above 0"), ("inf", "inf is not a finite")):
        assert main(["stage", "tkd", "--in_file", str(field), "--mask", str(mask), "--threshold", value]) == 2
        assert f"stage tkd: --threshold: {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--te", "10", "20"], "--te: 10 s is no echo time: milliseconds?"),
        (["--te", "0.02", "0.01"], "--te: 0.01 s comes after 0.02 s"),
        (["--te", "-0.02", "0.01"], "--te: -0.02 s is no echo time"),
        (["--te", "0.01", "0.02", "--b0", "3000"], "--b0: 3000 T is no field strength"),
        (["--te", "0.01", "0.02", "0.03"], "1 echoes but 3 echo times"),
    ],
)
def test_an_acquisition_that_cannot_be_is_one_line(
    problem: tuple[Path, Path, torch.Tensor],
    tmp_path: Path,
    given: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    field, mask, _ = problem
    files = ["--in_file", str(field), "--magnitude", str(field), "--mask", str(mask), "--out_dir", str(tmp_path)]
    assert main(["stage", "field", *files, "--b0", "3", *given]) in (1, 2)
    error = capsys.readouterr().err
    assert f"stage field: {told}" in error and error.count("\n") == 1


def test_a_vector_may_begin_with_a_minus(problem: tuple[Path, Path, torch.Tensor], tmp_path: Path) -> None:
    field, mask, _ = problem
    files = ["--in_file", str(field), "--mask", str(mask), "--out_dir", str(tmp_path)]
    assert main(["stage", "tkd", *files, "--b0_dir", "-0.6,-1e-3,.8"]) == 0
    assert json.loads((tmp_path / "tkd.json").read_text())["Measured"]["B0Direction"] == [-0.6, -0.001, 0.8]
