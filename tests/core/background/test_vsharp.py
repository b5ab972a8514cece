"""V-SHARP on fields whose sources are known."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.background import vsharp
from qsmflow.core.background.spheres import sphere_spectrum
from qsmflow.core.dipole import forward_field
from qsmflow.core.grid import rfft
from qsmflow.core.mask.morphology import depth
from qsmflow.phantom.analytic import coordinates, sphere_field


@pytest.mark.parametrize(("deconvolution", "deep_limit", "limit"), [("fit", 0.03, 0.2), ("inverse", 0.12, 0.5)])
def test_field_from_inside_stays(deconvolution: str, deep_limit: float, limit: float) -> None:
    """Everywhere with the fit; with the inverse of the largest sphere, far from the surface only."""
    voxel_size = (1.0, 1.0, 1.0)
    points = coordinates((64, 64, 64), voxel_size)
    mask = points.norm(dim=-1) < 26
    chi = torch.exp(-(((points - torch.tensor([3.0, -2.0, 0.0])).norm(dim=-1) / 4) ** 2))
    truth = forward_field(chi, voxel_size)
    background = sphere_field(points, (30.0, 0.0, 8.0), 4.0, 9.0, (0, 0, 1))
    local, eroded = vsharp(truth + background, mask, voxel_size, deconvolution=deconvolution)
    for where, most in ((points.norm(dim=-1) < 14, deep_limit), (eroded, limit)):
        error = float((local - truth)[where].norm() / truth[where].norm())
        assert error < most, error


def test_smaller_blocks_are_nearer() -> None:
    points = coordinates((64, 64, 64), (1.0, 1.0, 1.0))
    mask = points.norm(dim=-1) < 26
    chi = torch.exp(-(((points - torch.tensor([12.0, -9.0, 0.0])).norm(dim=-1) / 5) ** 2))
    truth = forward_field(chi, (1.0, 1.0, 1.0))
    errors = []
    for block in (1.0, 2.0, 9.0):
        local, eroded = vsharp(truth, mask, (1.0, 1.0, 1.0), block=block)
        errors.append(float((local - truth)[eroded].norm() / truth[eroded].norm()))
    assert errors[0] < errors[1], "of one voxel"
    assert errors[2] == errors[1], "no block is larger than a sixth of the largest radius"


def test_a_mask_too_thin_for_blocks_is_fitted_in_voxels() -> None:
    """Where they find a little, however many iterations there are."""
    points = coordinates((48, 48, 24), (1.0, 1.0, 1.0))
    mask = (points[..., 2].abs() < 2) & (points[..., :2].norm(dim=-1) < 20)
    truth = forward_field(torch.exp(-((points.norm(dim=-1) / 2) ** 2)) * mask, (1.0, 1.0, 1.0))
    for iterations in (3, 30):
        local, eroded = vsharp(truth, mask, (1.0, 1.0, 1.0), iterations=iterations)
        assert float((local - truth)[eroded].norm() / truth[eroded].norm()) < 0.7


def test_erosion_is_the_smallest_radius() -> None:
    points = coordinates((48, 48, 48), (1.0, 1.0, 1.0))
    mask = points.norm(dim=-1) < 18
    _, eroded = vsharp(torch.zeros(48, 48, 48), mask, (1, 1, 1), min_radius=3.0)
    assert bool((eroded == (depth(mask, (1, 1, 1)) >= 3.0)).all())


def test_sphere_spectrum_is_the_transform_of_a_mean() -> None:
    spectrum = sphere_spectrum((32, 30, 24), 4.0, (1.0, 1.0, 2.0))
    constant = torch.ones(32, 30, 24)
    assert float(spectrum[0, 0, 0]) == pytest.approx(1.0, abs=1e-5)
    back = torch.fft.irfftn(rfft(constant) * spectrum, s=(32, 30, 24))
    assert torch.allclose(back, constant, atol=1e-4)
    kernel = torch.fft.irfftn(spectrum, s=(32, 30, 24))
    assert int((kernel.abs() > 1e-7).sum()) < 250
    across = [
        (torch.fft.fftfreq(n, 1.0 / n) * d) ** 2 * kernel.sum([b for b in range(3) if b != a])
        for a, (n, d) in enumerate(((32, 1.0), (30, 1.0), (24, 2.0)))
    ]
    moments = [float(a.sum()) for a in across]
    assert moments == pytest.approx([moments[0]] * 3, rel=1e-3), "x^2 - y^2 and the like must have mean zero"
    assert 0.8 * 16 / 5 < moments[0] < 1.5 * 16 / 5


def test_isotropic_sphere_weighs_nothing_negatively() -> None:
    kernel = torch.fft.irfftn(sphere_spectrum((32, 32, 32), 3.0, (1.0, 1.0, 1.0)), s=(32, 32, 32))
    assert float(kernel.min()) > -1e-6


def test_refusals() -> None:
    field = torch.zeros(10, 10, 10)
    with pytest.raises(ValueError, match="empty"):
        vsharp(field, torch.zeros(10, 10, 10, dtype=torch.bool), (1, 1, 1))
    thin = torch.zeros(10, 10, 10, dtype=torch.bool)
    thin[5] = True
    with pytest.raises(ValueError, match="deeper"):
        vsharp(field, thin, (1, 1, 1), min_radius=2.0)
    with pytest.raises(ValueError, match="below"):
        vsharp(field, ~thin, (1, 1, 1), min_radius=5.0, max_radius=2.0)
    with pytest.raises(ValueError, match="deconvolution"):
        vsharp(field, ~thin, (1, 1, 1), deconvolution="magic")
