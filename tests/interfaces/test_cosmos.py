"""COSMOS on files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.interfaces.cosmos import COSMOSKSpace
from qsmflow.interfaces.volume import Volume, save

SHAPE = (16, 16, 16)


@pytest.mark.parametrize(("degrees", "warned"), [((0, 1, 2), True), ((0, 35, -35), False)])
def test_directions_that_are_nearly_the_same_warn(degrees: tuple[int, ...], warned: bool, tmp_path: Path) -> None:
    """Turned about one axis, and the last about another."""
    turns = [math.radians(angle) for angle in degrees]
    b0_dirs = [(0.0, math.sin(turn), math.cos(turn)) for turn in turns[:2]]
    b0_dirs.append((math.sin(turns[2]), 0.0, math.cos(turns[2])))
    chi, mask = torch.zeros(SHAPE), torch.ones(SHAPE)
    chi[6:9, 6:9, 6:9] = 0.1
    masks = [save(Volume(mask, np.eye(4)), tmp_path / "mask_in.nii")] * 3
    fields = [
        save(Volume(forward_field(chi, (1, 1, 1), b0), np.eye(4)), tmp_path / f"field_{i}.nii")
        for i, b0 in enumerate(b0_dirs)
    ]
    done = COSMOSKSpace(in_files=fields, masks=masks, b0_dirs=b0_dirs).run(cwd=str(tmp_path)).outputs.out_report
    told = done.get("Warnings", [])
    assert (len(told) == 1) == warned == (done["Measured"]["ConditionSmallest"] < 0.05)
    assert not warned or "leave parts of k-space unseen (condition 0.0" in told[0]
