"""What is read of a series, and how what cannot be one is refused: one line with flag or file, fault and mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from qsmflow.cli.main import main
from qsmflow.interfaces.scale_phase import CombineMagnitude, ScalePhase
from qsmflow.interfaces.volume import load_echoes
from tests.builders import SHAPE, random_part, save_image


@pytest.fixture
def series(tmp_path: Path) -> dict[str, list[str]]:
    """Four echoes as magnitude and phase, and two as real and imaginary parts, by the names of the inputs."""
    rng = np.random.default_rng(0)
    counts = {"magnitude": 4, "phase": 4, "real": 2, "imag": 2}
    return {
        name: [
            str(save_image(tmp_path / f"{name}{echo}.nii", random_part(name[:3].replace("pha", "phase"), SHAPE, rng)))
            for echo in range(count)
        ]
        for name, count in counts.items()
    }


def refusal(capsys: pytest.CaptureFixture[str], tmp_path: Path, *more: str, **files: list[str]) -> str:
    """The one line by which `qsmflow stage scale_phase` refuses."""
    words = [word for name, paths in files.items() for word in (f"--{name}", *paths)]
    assert main(["stage", "scale_phase", *words, *more, "--out_dir", str(tmp_path / "out")]) in (1, 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "stage scale_phase" in error
    return error


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "no image given"),
        (["magnitude"], "--magnitude given"),
        (["phase"], "--phase given"),
        (["real"], "--real given"),
        (["magnitude", "phase", "real"], "--magnitude and --phase and --real given"),
        (["phase", "real", "imag"], "--phase and --real and --imag given"),
    ],
)
def test_two_parts_that_belong_together_are_needed(
    series: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], told: str
) -> None:
    error = refusal(capsys, tmp_path, **{name: series[name] for name in given})
    assert f"{told}; give --magnitude and --phase, or --real and --imag, and nothing else" in error


@pytest.mark.parametrize(("one", "other"), [("magnitude", "phase"), ("real", "imag")])
def test_no_echo_is_invented(
    series: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], one: str, other: str
) -> None:
    error = refusal(capsys, tmp_path, **{one: series[one][:1], other: series[other]})
    count = len(series[other])
    assert f"--{one} holds 1 in 1 files, --{other} holds {count} in {count} files; give both parts" in error


def test_parts_lie_on_one_grid(
    series: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in series["phase"]:
        changed(path, lambda data: data[1:])
    error = refusal(capsys, tmp_path, magnitude=series["magnitude"], phase=series["phase"])
    assert f"{series['phase'][0]}: shape (7, 9, 10) where (8, 9, 10) is needed; give both on one grid" in error


def changed(path: str, change: Any) -> str:
    """The file at `path` with other voxels, in its place."""
    image = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)), image.affine), path)
    return path


def spoiled(data: np.ndarray, value: float) -> np.ndarray:
    out = data.copy()
    out[0, 0, :3] = value
    return out


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("phase", lambda data: spoiled(data, np.nan), "3 voxels are NaN or Inf; mend them, or set nonfinite to zero"),
        ("magnitude", lambda data: spoiled(data, -1), "3 voxels are below zero; give the magnitude as it was acquired"),
    ],
)
def test_bad_voxels_are_told_of_their_file(
    series: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, change: Any, told: str
) -> None:
    path = changed(series[name][2], change)
    error = refusal(capsys, tmp_path, magnitude=series["magnitude"], phase=series["phase"])
    assert f"{path}: {told}" in error


def test_combined_magnitude_refuses_what_is_none(series: dict[str, list[str]], tmp_path: Path) -> None:
    path = changed(series["magnitude"][1], lambda data: spoiled(data, -1))
    with pytest.raises(ValueError, match=f"{path}: 3 voxels are below zero"):
        CombineMagnitude(magnitude=series["magnitude"]).run(cwd=str(tmp_path))


def test_no_unit_but_those_of_bids(
    series: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: series[name] for name in ("magnitude", "phase")}
    assert "--phase_units: invalid choice" in refusal(capsys, tmp_path, "--phase_units", "degrees", **files)
    for path in series["phase"]:
        changed(path, np.rad2deg)
    error = refusal(capsys, tmp_path, **files)
    assert f"{series['phase'][0]}: values from -1" in error and "give the wrapped phase in radians" in error


@pytest.mark.parametrize("echoes", [1, 4])
def test_one_echo_is_a_volume_of_three_axes(series: dict[str, list[str]], tmp_path: Path, echoes: int) -> None:
    files = {name: series[name][:echoes] for name in ("magnitude", "phase")}
    done = ScalePhase(**files).run(cwd=str(tmp_path)).outputs
    for path in (done.out_phase, done.out_magnitude):
        assert nib.load(path).shape == (SHAPE if echoes == 1 else (*SHAPE, echoes))
        assert load_echoes(path).data.shape == (echoes, *SHAPE)
    assert "Warnings" not in done.out_report and done.out_report["Measured"]["Echoes"] == echoes


def test_no_orientation_is_told(series: dict[str, list[str]], tmp_path: Path) -> None:
    for path in (*series["magnitude"], *series["phase"]):
        nib.save(nib.Nifti1Image(nib.load(path).get_fdata().astype(np.float32), None), path)
    done = ScalePhase(magnitude=series["magnitude"], phase=series["phase"]).run(cwd=str(tmp_path)).outputs
    (told,) = done.out_report["Warnings"]
    assert series["magnitude"][0] in told and "no orientation" in told
