"""The dipole model against formulas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmflow.core.dipole import dipole_kernel, forward_field
from qsmflow.core.grid import crop_to, fast_shape, fast_size, irfft, pad_to, rfft
from qsmflow.phantom.analytic import coordinates, cylinder_field, sphere_field

OBLIQUE = (0.3, -0.4, 0.8)


def smooth_ball(points: torch.Tensor, radius: float, voxel_size: tuple[float, float, float]) -> torch.Tensor:
    """Share of each voxel inside a ball at the origin, from 5x5x5 points in the voxel."""
    inside = torch.zeros(points.shape[:-1])
    steps = (torch.arange(5) - 2) / 5
    for i in steps:
        for j in steps:
            for k in steps:
                shift = torch.tensor([i * voxel_size[0], j * voxel_size[1], k * voxel_size[2]])
                inside += ((points + shift).norm(dim=-1) < radius).float() / 125
    return inside


@pytest.mark.parametrize(
    ("shape", "voxel_size", "b0_dir", "limit"),
    [
        ((64, 64, 64), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0), 0.006),
        ((64, 72, 40), (1.0, 1.0, 2.0), (0.0, 0.0, 1.0), 0.01),
        ((64, 64, 64), (1.0, 1.0, 1.0), OBLIQUE, 0.006),
        ((63, 71, 41), (1.0, 1.0, 2.0), OBLIQUE, 0.01),
    ],
)
def test_sphere(
    shape: tuple[int, int, int],
    voxel_size: tuple[float, float, float],
    b0_dir: tuple[float, float, float],
    limit: float,
) -> None:
    points = coordinates(shape, voxel_size)
    field = forward_field(smooth_ball(points, 10.0, voxel_size), voxel_size, b0_dir)
    truth = sphere_field(points, (0, 0, 0), 10.0, 1.0, b0_dir)
    away = (points.norm(dim=-1) - 10.0).abs() > 2 * max(voxel_size)
    assert float((field - truth)[away].norm() / truth[away].norm()) < limit


def test_free_space_has_no_images() -> None:
    """A source in the corner: the periodic model is wrong by half, the free-space one is not."""
    shape, voxel_size = (48, 48, 48), (1.0, 1.0, 1.0)
    points = coordinates(shape, voxel_size)
    ball = smooth_ball(points - torch.tensor([-16.0, 16.0, 16.0]), 5.0, voxel_size)
    truth = sphere_field(points, (-16.0, 16.0, 16.0), 5.0, 1.0, (0, 0, 1))
    away = (points - torch.tensor([-16.0, 16.0, 16.0])).norm(dim=-1) > 8
    errors = [
        float((forward_field(ball, voxel_size, periodic=periodic) - truth)[away].norm() / truth[away].norm())
        for periodic in (False, True)
    ]
    assert errors[0] < 0.02 < 0.3 < errors[1]


def test_tilted_cylinder() -> None:
    shape, voxel_size, b0_dir = (96, 96, 96), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)
    axis = torch.tensor([1.0, 0.5, 0.8])
    axis = axis / axis.norm()
    points = coordinates(shape, voxel_size)
    across = points - (points @ axis)[..., None] * axis
    # a soft edge stands for the share of each voxel inside
    chi = (6.5 - across.norm(dim=-1)).clamp(0, 1)
    field = forward_field(chi, voxel_size, b0_dir)
    truth = cylinder_field(points, (0, 0, 0), axis.tolist(), 6.0, 1.0, b0_dir)
    # the cylinder ends at the grid, so only its middle is that of an infinite one
    middle = (points.norm(dim=-1) < 14) & ((across.norm(dim=-1) - 6).abs() > 2)
    assert float((field - truth)[middle].norm() / truth[middle].norm()) < 0.06
    core = points.norm(dim=-1) < 4
    expected = (3 * float(axis[2]) ** 2 - 1) / 6
    assert abs(float(field[core].mean()) - expected) < 0.02


def test_kernel_values() -> None:
    kernel = dipole_kernel((8, 8, 8), (1, 1, 1))
    assert float(kernel[0, 0, 0]) == 0.0
    assert float(kernel[0, 0, 2]) == pytest.approx(1 / 3 - 1)
    assert float(kernel[3, 0, 0]) == pytest.approx(1 / 3)
    assert kernel.shape == (8, 8, 5)


def test_voxel_size_divides() -> None:
    """A 2 mm voxel halves the frequency: at equal index along z and x the kernel follows mm, not voxels."""
    kernel = dipole_kernel((8, 8, 8), (1.0, 1.0, 2.0))
    kx, kz = 1 / 8, 1 / 16
    assert float(kernel[1, 0, 1]) == pytest.approx(1 / 3 - kz**2 / (kx**2 + kz**2), abs=1e-6)


def test_self_adjoint() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 20, 18, 16, generator=generator)
    left = (forward_field(a, (1, 1, 2), OBLIQUE, periodic=True) * b).sum()
    right = (a * forward_field(b, (1, 1, 2), OBLIQUE, periodic=True)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-3)


def test_zero_direction_refused() -> None:
    with pytest.raises(ValueError, match="direction"):
        dipole_kernel((8, 8, 8), (1, 1, 1), (0, 0, 0))


@given(st.integers(1, 2000))
def test_fast_size(n: int) -> None:
    size = fast_size(n)
    rest = size
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1 and size >= n and size % 2 == 0


@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(3, 14)] * 3))
def test_padding_and_transform_come_back(shape: tuple[int, int, int]) -> None:
    volume = torch.randn(shape)
    padded = fast_shape(shape)
    assert torch.allclose(crop_to(irfft(rfft(pad_to(volume, padded)), padded), shape), volume, atol=1e-5)
