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
        (["tkd", "--in_file", __file__, "--mask", __file__, "--b0_dir", "0,0,0"], "--b0_dir: 0,0,0 is no direction"),
        (["tkd", "--in_file", __file__, "--mask", __file__, "--b0_dir", "nan,0,1"], "--b0_dir: nan,0,1 is no"),
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
    assert main(["stage", "vsharp", "--in_file", str(field), "--mask", str(empty), "--out_dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "the mask is empty" in error and error.count("\n") == 1


def test_a_file_that_is_no_image_is_one_line(
    problem: tuple[Path, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field, _, _ = problem
    text = tmp_path / "text.nii"
    text.write_text("no image")
    assert main(["stage", "vsharp", "--in_file", str(field), "--mask", str(text), "--out_dir", str(tmp_path)]) == 2
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
        (["--te", "0.01", "0.02", "0.03"], "te: 3 echo times, but 1 echoes in"),
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


def test_an_input_is_not_written_over(
    problem: tuple[Path, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field, mask, _ = problem
    before = mask.read_bytes()
    words = ["stage", "vsharp", "--in_file", str(field), "--mask", str(mask), "--max_radius", "6"]
    assert main([*words, "--out_dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "its mask.nii would take the place of --mask" in error and error.count("\n") == 1
    assert mask.read_bytes() == before
    kept = Path(error.strip().rpartition(" ")[2])
    assert (kept / "mask.nii").is_file() and (kept / "local.nii").is_file()
    assert main([*words, "--out_dir", str(tmp_path / "out")]) == 0
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".nii", ".json"}


def test_a_folder_that_cannot_be_is_one_line(
    problem: tuple[Path, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field, mask, _ = problem
    (tmp_path / "file").write_text("")
    words = ["stage", "tkd", "--in_file", str(field), "--mask", str(mask), "--out_dir", str(tmp_path / "file")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "--out_dir" in error and "give a folder" in error and error.count("\n") == 1


def test_a_field_in_other_units_is_doubted(
    problem: tuple[Path, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field, mask, _ = problem
    volume = load(field)
    hertz = save(volume.with_data(volume.data * 127.7 * 60), tmp_path / "hertz.nii")
    files = ["--mask", str(mask), "--out_dir", str(tmp_path / "out")]
    assert main(["stage", "tkd", "--in_file", str(field), *files]) == 0
    assert not capsys.readouterr().err
    assert main(["stage", "tkd", "--in_file", hertz, *files]) == 0
    assert "is it in ppm, not in Hz or rad?" in capsys.readouterr().err
    assert "in ppm" in json.loads((tmp_path / "out" / "tkd.json").read_text())["Warnings"][0]


def echoes(tmp_path: Path, **changed: torch.Tensor) -> list[str]:
    """Flags of two echoes of a phase that wraps, with a magnitude and a mask."""
    ramp = torch.linspace(-8.0, 8.0, 24)[:, None, None].expand(24, 24, 24)
    wrapped = torch.stack([torch.angle(torch.exp(1j * part * ramp)) for part in (0.5, 1.0)])
    volumes = {"in_file": wrapped, "magnitude": torch.ones(2, 24, 24, 24), **changed}
    mask = torch.zeros(24, 24, 24, dtype=torch.bool)
    mask[4:-4, 4:-4, 4:-4] = True
    files = {
        name: save(Volume(data, AFFINE), tmp_path / f"{name}.nii") for name, data in (volumes | {"mask": mask}).items()
    }
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    return [*words, "--te", "0.01", "0.02", "--out_dir", str(tmp_path / "out")]


@pytest.mark.parametrize("stage", ["unwrap", "field", "quality_mask"])
def test_nan_of_echoes_counts_in_the_mask_alone(stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    magnitude = torch.ones(2, 24, 24, 24)
    magnitude[1, 0, 0, 0] = torch.nan
    phase = torch.zeros(2, 24, 24, 24)
    phase[0, 1, 1, 1] = torch.nan
    b0 = ["--b0", "3"] if stage == "field" else []
    assert main(["stage", stage, *echoes(tmp_path, in_file=phase, magnitude=magnitude), *b0]) == 0
    for path in (tmp_path / "out").glob("*.nii"):
        assert np.isfinite(nib.load(path).get_fdata()).all(), path
    magnitude[1, 12, 12, 12] = torch.nan
    capsys.readouterr()
    assert main(["stage", stage, *echoes(tmp_path, magnitude=magnitude), *b0]) == 2
    error = capsys.readouterr().err
    assert "magnitude.nii: 1 voxels in the mask are NaN" in error and error.count("\n") == 1


def test_phase_of_another_stage_is_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = 2048.0 * torch.rand(2, 24, 24, 24)
    assert main(["stage", "unwrap", *echoes(tmp_path, in_file=stored)]) == 2
    assert "in_file.nii: values from" in capsys.readouterr().err
    assert main(["stage", "field", *echoes(tmp_path), "--b0", "3"]) == 0
    assert "is it unwrapped?" in capsys.readouterr().err
