"""The stages of background removal on files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.config import BACKGROUNDS
from qsmflow.interfaces.volume import load
from qsmflow.phantom.analytic import coordinates, sphere_field
from qsmflow.workflows.background import REMOVALS

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def write(path: Path, data: torch.Tensor) -> str:
    nib.save(nib.Nifti1Image(data.float().numpy(), AFFINE), path)
    return str(path)


def test_every_background_is_made_of_known_stages() -> None:
    assert {stage for stages in BACKGROUNDS.values() for stage in stages} == set(REMOVALS)


@pytest.mark.parametrize("name", REMOVALS)
def test_stage_removes_and_tells(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    points = coordinates((40, 40, 20), (1.0, 1.0, 2.0))
    mask = points.norm(dim=-1) < 15
    field = sphere_field(points, (20.0, 0.0, 8.0), 3.0, 9.0, (0.0, 0.0, 1.0))
    files = {"in_file": write(tmp_path / "total.nii", field), "mask": write(tmp_path / "brain.nii", mask)}
    if name == "pdf":
        files["magnitude"] = write(tmp_path / "magnitude.nii", torch.ones_like(field))
    result = REMOVALS[name](**files).run()
    local, valid = load(result.outputs.out_file).data, load(result.outputs.out_mask).mask
    assert float(local[valid].norm() / field[valid].norm()) < 0.02
    measured = result.outputs.out_report["Measured"]
    assert measured["MaskVoxels"] == int(valid.sum()) < measured["MaskVoxelsBefore"] == int(mask.sum())
    assert measured["Iterations"] >= 1 and measured["RelativeResidual"] >= 0
    assert measured.get("B0Direction") == ([0.0, 0.0, 1.0] if name in ("vsharp", "pdf") else None)
