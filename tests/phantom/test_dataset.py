import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from nitransforms.linear import load

from qsmflow.config import Simulate
from qsmflow.errors import UsageError
from qsmflow.phantom import plan
from qsmflow.phantom.acquisition import GAMMA_BAR
from qsmflow.phantom.dataset import simulate_dataset
from qsmflow.phantom.head import ProceduralHead

SETTINGS = Simulate(orientations=2, voxel_size=(5.0,), te=(0.005, 0.009), snr=100.0, seed=4)


@pytest.fixture(scope="module", autouse=True)
def coarse_head():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "ProceduralHead", partial(ProceduralHead, spacing=4.0))
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "data"
    told: list[float] = []
    simulate_dataset(out, SETTINGS, progress=lambda what, part: told.append(part))
    assert sum(told) == pytest.approx(1.0)
    return out


def _load(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def test_every_file_is_there(dataset: Path) -> None:
    names = {path.name for path in (dataset / "sub-01" / "anat").iterdir()}
    for ori in (1, 2):
        for echo in (1, 2):
            for part in ("mag", "phase"):
                stem = f"sub-01_acq-ori{ori}_echo-{echo}_part-{part}_MEGRE"
                assert {f"{stem}.nii.gz", f"{stem}.json"} <= names
    assert len(names) == 16
    sidecar = json.loads((dataset / "sub-01/anat/sub-01_acq-ori1_echo-2_part-phase_MEGRE.json").read_text())
    assert sidecar["EchoTime"] == 0.009 and sidecar["Units"] == "rad" and sidecar["MagneticFieldStrength"] == 3.0


def test_phase_follows_the_true_field_and_snr_is_as_stated(dataset: Path) -> None:
    anat, truth = dataset / "sub-01" / "anat", dataset / "derivatives" / "truth" / "sub-01"
    mag, phase = (
        [_load(anat / f"sub-01_acq-ori2_echo-{echo}_part-{part}_MEGRE.nii.gz") for echo in (1, 2)]
        for part in ("mag", "phase")
    )
    assert all(np.abs(p).max() <= np.pi + 1e-5 for p in phase)
    field = _load(truth / "fmap" / "sub-01_acq-ori2_desc-total_fieldmap.nii.gz")
    brain = _load(truth / "anat" / "sub-01_acq-ori2_desc-brain_mask.nii.gz") > 0
    expected = 2 * np.pi * GAMMA_BAR * 3.0 * 0.004 * field
    left = np.angle(np.exp(1j * (phase[1] - phase[0] - expected)))[brain]
    # noise of SD m/snr in each channel gives a phase of SD sqrt(2)/snr between two echoes of about equal magnitude
    assert abs(np.median(left)) < 2e-3
    assert 1.0 / 100 < 1.4826 * np.median(np.abs(left)) < 2.2 / 100
    assert mag[0][brain].mean() > mag[1][brain].mean()


def test_transform_takes_the_first_head_to_the_second(dataset: Path) -> None:
    truth = dataset / "derivatives" / "truth" / "sub-01"
    stem = truth / "anat" / "sub-01_from-ori2_to-ori1_mode-image_xfm"
    found = load(stem.with_suffix(".txt"), fmt="itk")
    sidecar = json.loads(stem.with_suffix(".json").read_text())
    np.testing.assert_allclose(found.matrix, sidecar["MatrixRAS"], atol=1e-5)
    assert 15 < sidecar["AngleToFirst"] <= 25
    first, second = (nibabel.load(truth / "anat" / f"sub-01_acq-ori{i}_desc-brain_mask.nii.gz") for i in (1, 2))
    voxels = np.argwhere(np.asarray(first.dataobj) > 0)
    there = np.linalg.inv(second.affine) @ found.matrix @ first.affine
    index = np.round(voxels @ there[:3, :3].T + there[:3, 3]).astype(int)
    assert np.asarray(second.dataobj)[tuple(index.T)].mean() > 0.9


def test_same_arguments_same_files_and_other_arguments_are_refused(dataset: Path) -> None:
    files = sorted(path for path in dataset.rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    simulate_dataset(dataset, SETTINGS)
    assert {path: path.read_bytes() for path in sorted(p for p in dataset.rglob("*") if p.is_file())} == before
    with pytest.raises(UsageError, match="new or empty folder"):
        simulate_dataset(dataset, Simulate(orientations=3, voxel_size=(5.0,)))


def test_one_oblique_orientation_has_no_acq_and_its_b0(tmp_path: Path) -> None:
    settings = Simulate(voxel_size=(6.0, 6.0, 8.0), oblique=(30.0, 0.0, 0.0), te=(0.01,), shape=(30, 32, 24))
    truth = simulate_dataset(tmp_path, settings, device=torch.device("cpu"))
    path = tmp_path / "sub-01" / "anat" / "sub-01_echo-1_part-mag_MEGRE.nii.gz"
    image = nibabel.load(path)
    assert image.shape == (30, 32, 24)
    np.testing.assert_allclose(image.header.get_zooms(), (6, 6, 8), rtol=1e-5)
    sidecar = json.loads((truth / "sub-01" / "anat" / "sub-01_desc-truth_Chimap.json").read_text())
    np.testing.assert_allclose(sidecar["B0_dir"], (0, 0.5, np.sqrt(0.75)), atol=1e-9)
    assert not list(truth.rglob("*xfm*"))


@pytest.mark.skipif(shutil.which("bids-validator-deno") is None, reason="the BIDS validator is not installed")
@pytest.mark.parametrize("part", ["", "derivatives/truth"])
def test_official_validator_finds_no_error(dataset: Path, part: str) -> None:
    done = subprocess.run(
        ["bids-validator-deno", "--json", dataset / part], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"voxel_size": (1.0, 2.0)}, "--voxel-size"),
        ({"voxel_size": (float("nan"),)}, "voxel_size: nan"),
        ({"te": (0.02, 0.01)}, "--te"),
        ({"te": (20.0,)}, "--te"),
        ({"shape": (32, 32)}, "--shape"),
        ({"oblique": (1.0,)}, "--oblique"),
        ({"snr": float("nan")}, "snr: nan"),
        ({"angles": ("1,2",)}, "--angles"),
        ({"angles": ("0,0,0", "1,2,3"), "orientations": 3}, "--orientations"),
        ({"labels": "a.nii.gz"}, "--chi"),
        ({"brain": "a.nii.gz"}, "--labels"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(tmp_path: Path, wrong: dict, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        simulate_dataset(tmp_path / "out", Simulate(**wrong))
    assert not (tmp_path / "out").exists()
