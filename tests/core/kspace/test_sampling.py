from __future__ import annotations

import pytest
import torch

from qsmflow.core.kspace.fourier import to_image, to_kspace
from qsmflow.core.kspace.sampling import calibration_region, centre_of, patch_covariance, readout_axis


@pytest.mark.parametrize("shape", [(6, 5, 4), (7, 8, 1), (1, 1, 1)])
def test_transforms_are_unitary_adjoint_and_centred(shape):
    g = torch.Generator().manual_seed(1)
    x, y = (torch.view_as_complex(torch.randn((2, *shape, 2), generator=g)) for _ in range(2))
    torch.testing.assert_close(to_image(to_kspace(x)), x)
    torch.testing.assert_close((to_kspace(x).conj() * y).sum(), (x.conj() * to_image(y)).sum())
    flat = to_kspace(torch.ones(shape, dtype=torch.complex64))
    assert flat.abs().argmax() == torch.arange(flat.numel()).reshape(shape)[tuple(n // 2 for n in shape)]


def test_region_and_readout_are_read_off_the_zeros():
    plane = torch.zeros(20, 24, dtype=torch.bool)
    plane[1::2, ::3] = True
    plane[6:14, 9:17] = True
    for axis in range(3):
        sampled = plane.unsqueeze(axis).expand(*plane.shape[:axis], 30, *plane.shape[axis:]).clone()
        lines = sampled.movedim(axis, 0)
        lines[:4] = False  # an asymmetric echo
        assert readout_axis(sampled) == axis
        region = list(calibration_region(sampled))
        assert region.pop(axis) == slice(4, 30)
        assert (region[0].start, region[0].stop) in ((5, 14), (6, 14))
        assert (region[1].start, region[1].stop) in ((9, 17), (9, 16), (9, 19))


def test_two_accelerated_axes_of_a_slice():
    sampled = torch.zeros(16, 16, 1, dtype=torch.bool)
    sampled[::2, ::2] = True
    sampled[5:11, 5:11] = True
    assert readout_axis(sampled) == 2
    assert calibration_region(sampled)[2] == slice(0, 1)


@pytest.mark.parametrize("axis", [0, 1])
def test_an_accelerated_axis_is_no_readout_although_all_its_lines_are_alike(axis):
    sampled = torch.zeros(16, 16, 1, dtype=torch.bool)
    sampled.movedim(axis, 0)[::3] = True
    sampled.movedim(axis, 0)[5:12] = True
    assert readout_axis(sampled) == 1 - axis


@pytest.mark.parametrize(("made", "told"), [("nothing", "centre of k-space"), ("random", "all three axes")])
def test_what_cannot_be_calibrated_is_named(made, told):
    sampled = torch.zeros(8, 8, 8, dtype=torch.bool)
    if made == "random":
        sampled = torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5
    with pytest.raises(ValueError, match=told):
        calibration_region(sampled)


def test_centre_and_patches():
    assert centre_of((slice(2, 12), slice(0, 3), slice(4, 9)), 4) == (slice(5, 9), slice(0, 3), slice(4, 8))
    block = torch.view_as_complex(torch.randn((2, 4, 3, 3, 2), generator=torch.Generator().manual_seed(2)))
    patches = [block[:, x : x + 2, y : y + 2, :].flatten() for x in range(3) for y in range(2)]
    expected = sum(torch.outer(p, p.conj()) for p in patches)
    torch.testing.assert_close(patch_covariance(block, (2, 2, 3)), expected)
    with pytest.raises(ValueError, match="too few for a kernel of 5x1x1"):
        patch_covariance(block, (5, 1, 1))
