"""Shapes whose field is known exactly: spheres and infinite cylinders."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from qsmflow.core.grid import Size


def coordinates(shape: Size, voxel_size: Sequence[float], device: torch.device | str = "cpu") -> torch.Tensor:
    """Voxel centres, mm, (X, Y, Z, 3), the centre of the grid at zero."""
    axes = [
        (torch.arange(n, dtype=torch.float32, device=device) - (n - 1) / 2) * float(d)
        for n, d in zip(shape, voxel_size, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def sphere_field(
    points: torch.Tensor, centre: Sequence[float], radius: float, chi: float, b0_dir: Sequence[float]
) -> torch.Tensor:
    """Field of a sphere, Lorentz-corrected.

    Outside ``(chi/3) (R/r)^3 (3 cos^2 theta - 1)``, inside 0.

    Parameters
    ----------
    points
        mm, (..., 3).
    centre, radius
        mm.
    chi
        Susceptibility of the sphere over its surroundings, ppm.
    b0_dir
        Direction of B0.

    Returns
    -------
    torch.Tensor
        ppm, (...).

    References
    ----------
    Haacke et al., Magnetic Resonance Imaging: Physical Principles and Sequence Design, 1999, ch. 25.
    """
    offset = points - points.new_tensor(centre)
    distance = offset.norm(dim=-1).clamp_min(1e-6)
    cosine = offset @ _unit(points, b0_dir) / distance
    outside = (chi / 3.0) * (radius / distance) ** 3 * (3.0 * cosine**2 - 1.0)
    return torch.where(distance > radius, outside, torch.zeros_like(outside))


def cylinder_field(
    points: torch.Tensor,
    centre: Sequence[float],
    axis: Sequence[float],
    radius: float,
    chi: float,
    b0_dir: Sequence[float],
) -> torch.Tensor:
    """Field of an infinite cylinder, Lorentz-corrected.

    With theta the angle between axis and B0, and psi the angle in the plane across the axis between the point and the
    projection of B0: outside ``(chi/2) (R/rho)^2 sin^2(theta) cos(2 psi)``, inside ``chi (3 cos^2 theta - 1) / 6``.

    Parameters and result are as in `sphere_field`; `axis` is the direction of the cylinder.

    References
    ----------
    Haacke et al., 1999, ch. 25.
    """
    along, b0 = _unit(points, axis), _unit(points, b0_dir)
    across = _across(points, centre, along)
    rho = across.norm(dim=-1).clamp_min(1e-6)
    cosine = float(along @ b0)
    projected = b0 - cosine * along
    sine2 = max(0.0, 1.0 - cosine**2)
    cos_psi = (across @ projected) / (rho * max(sine2, 1e-12) ** 0.5)
    outside = (chi / 2.0) * (radius / rho) ** 2 * sine2 * (2.0 * cos_psi**2 - 1.0)
    inside = torch.full_like(outside, chi * (3.0 * cosine**2 - 1.0) / 6.0)
    return torch.where(rho > radius, outside, inside)


def distance_to_line(points: torch.Tensor, point: Sequence[float], direction: Sequence[float]) -> torch.Tensor:
    """Distance of `points` (..., 3) to the line through `point` along `direction`, mm, (...)."""
    return _across(points, point, _unit(points, direction)).norm(dim=-1)


def share_within(distance: torch.Tensor, radius: float, voxel: float = 1.0) -> torch.Tensor:
    """About the share of a voxel of `voxel` mm, `distance` mm from a middle, that lies within `radius` mm of it."""
    return ((radius - distance) / voxel + 0.5).clamp(0.0, 1.0)


def _across(points: torch.Tensor, centre: Sequence[float], along: torch.Tensor) -> torch.Tensor:
    """From the nearest points of the line through `centre` along a unit vector to `points`."""
    offset = points - points.new_tensor(centre)
    return offset - (offset @ along)[..., None] * along


def _unit(like: torch.Tensor, direction: Sequence[float]) -> torch.Tensor:
    vector = like.new_tensor(direction)
    return vector / vector.norm()
