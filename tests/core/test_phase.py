"""How stored phase is told from its range."""

import math

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.core.phase import phase_scaling, phase_to_radians


@pytest.mark.parametrize(
    ("low", "high", "stored", "radians"),
    [
        (-math.pi, math.pi, 1.0, 1.0),
        (0.0, 2 * math.pi, 1.0, 1.0),
        (0, 4095, 0, -math.pi),
        (0, 4095, 2048, 0.0),
        (0, 4096, 2048, 0.0),
        (-2048, 2047, 1024, math.pi / 2),
        (-4096, 4094, -4096, -math.pi),
        (-4096, 4095, 2048, math.pi / 2),
        (-4096, 4096, 2048, math.pi / 2),
        (-3142, 3141, 1000, 1.0),
        (0, 6283, 1000, 1.0),
    ],
)
def test_known_ranges(low, high, stored, radians):
    slope, intercept, _ = phase_scaling(low, high)
    assert slope * stored + intercept == pytest.approx(radians, abs=1e-12)


@pytest.mark.parametrize("period", [("0 to 4095", 0, 4095, 4096), ("-4096 to 4095", -4096, 4094, 8192)])
def test_a_turn_is_the_full_range(period):
    name, low, high, steps = period
    slope, _, convention = phase_scaling(low, high)
    assert slope * steps == pytest.approx(2 * math.pi)
    assert name in convention


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 0), (5, 5), (0, 1), (-1, 1), (0, 1000), (-59.4, 23.2), (-30000, 30000), (0, 255), (-1500, 1500)],
)
def test_what_cannot_be_phase_is_refused(low, high):
    with pytest.raises(ValueError, match="values from"):
        phase_scaling(low, high)


def test_units_decide_where_the_range_cannot():
    assert phase_scaling(-0.4, 0.5, "rad").slope == 1.0
    with pytest.raises(ValueError, match="no known range"):
        phase_scaling(-0.4, 0.5, "arbitrary")
    with pytest.raises(ValueError, match="sidecar says rad"):
        phase_scaling(0, 4095, "rad")
    with pytest.raises(ValueError, match="units must be one of arbitrary, rad, got 'degrees'"):
        phase_scaling(-180, 180, "degrees")


def test_tensor_keeps_shape_and_nan():
    stored = torch.tensor([[0.0, 2048.0], [4095.0, math.nan]])
    phase, convention = phase_to_radians(stored)
    assert phase.dtype == torch.float32
    assert convention == "integers, 0 to 4095"
    assert phase[0].tolist() == pytest.approx([-math.pi, 0.0])
    assert phase.isnan().sum() == 1
    with pytest.raises(ValueError, match="finite"):
        phase_to_radians(torch.full((2,), math.nan))


def test_real_siemens_phase(shared_data):
    stored = nib.load(shared_data / "fieldmap_phantom" / "sub-fieldmap_phase1.nii.gz").get_fdata(dtype=np.float32)
    phase, convention = phase_to_radians(torch.from_numpy(stored))
    assert convention == "integers, 0 to 4095"
    assert float(phase.min()) == pytest.approx(-math.pi)
    assert float(phase.max()) == pytest.approx(math.pi, abs=2 * math.pi / 4096 + 1e-5)
