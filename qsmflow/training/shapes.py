"""Spheres, cylinders and cubes, whose fields are formulas or nearly so."""

from __future__ import annotations

import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.grid import Size
from qsmflow.phantom.analytic import coordinates, cylinder_field, distance_to_line, share_within, sphere_field

from .draws import Draws
from .scene import Scene

_ISOTROPIC = (1.0, 1.0, 1.0)
_UPWARDS = (0.0, 0.0, 1.0)


def spheres_and_cylinders(
    generator: torch.Generator,
    size: int,
    *,
    spheres: int = 128,
    cylinders: int = 32,
    largest: float = 0.01,
    device: torch.device | str = "cpu",
) -> Scene:
    """Spheres and infinite cylinders of random place, radius, direction and susceptibility; SI-QSM's material.

    Each adds its susceptibility and its exact field to those of the others. The mask is all of the patch in half of
    the scenes, which is the paper's; in the others it is an ellipsoid with whole spheres in it and no cylinders, so
    that the field still has all of its sources in the mask. Radii reach from a voxel to two fifths of the patch, of
    cylinders to a quarter, and no scale among them is rarer than another. Noise is Gaussian with a standard deviation
    between 0.1 % and 10 % of `largest`.

    Parameters
    ----------
    generator
        On the CPU, so that every device draws the same.
    size
        Voxels along each axis; B0 is along the third.
    spheres, cylinders
        At most; at least one sphere. A scene of a few is as likely as one of many.
    largest
        ppm, of the susceptibility of one shape, either way.

    References
    ----------
    Larrain, SI-QSM, thesis, 2022.
    """
    draw = Draws(generator)
    shape = (size, size, size)
    points = coordinates(shape, _ISOTROPIC, device)
    half = size / 2.0
    chi, field = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
    mask = torch.ones(shape, dtype=torch.bool, device=device)
    axes = torch.full((3,), half)
    whole = draw.chance(0.5)
    if not whole:
        axes = half * torch.tensor([draw.between(0.6, 0.98) for _ in range(3)])
        mask = (points / axes.to(device)).norm(dim=-1) < 1.0
    narrow = float(axes.min())
    for _ in range(int(draw.log_between(1.0, spheres + 1.0))):
        radius, value = draw.log_between(1.0, size / 2.5), draw.between(-largest, largest)
        place = torch.tensor([draw.between(-half, half) for _ in range(3)])
        if not whole:
            radius = min(radius, 0.5 * narrow)
            # a smaller ellipsoid of the same form, whose points are all a radius and a voxel deep
            room = 1.0 - (radius + 1.0) / narrow
            place = room * draw.between(0.0, 1.0) ** (1 / 3) * axes * torch.tensor(draw.direction())
        chi += value * share_within((points - place.to(device)).norm(dim=-1), radius)
        field += sphere_field(points, place.tolist(), radius, value, _UPWARDS)
    for _ in range(int(draw.log_between(1.0, cylinders + 2.0)) - 1 if whole else 0):
        radius, value = draw.log_between(1.0, size / 4.0), draw.between(-largest, largest)
        centre, along = [draw.between(-half, half) for _ in range(3)], draw.direction(90.0)
        chi += value * share_within(distance_to_line(points, centre, along), radius)
        field += cylinder_field(points, centre, along, radius, value, _UPWARDS)
    return _noisy(field, mask, chi, draw.log_between(1e-3 * largest, 0.1 * largest), draw)


def cubes_and_spheres(
    generator: torch.Generator,
    size: int,
    *,
    shapes: int = 100,
    largest: float = 0.2,
    device: torch.device | str = "cpu",
) -> Scene:
    """Cubes and spheres of random place, size and susceptibility, convolved with the dipole; DeepQSM's material.

    A shape covers those before it. They keep to the middle of the patch, so that all sources of the field are in it;
    there is no noise.

    Parameters
    ----------
    generator
        On the CPU.
    size
        Voxels along each axis; B0 is along the third.
    shapes
        At most; at least one.
    largest
        ppm, either way.

    References
    ----------
    Bollmann et al., NeuroImage 2019.
    """
    draw = Draws(generator)
    shape = (size, size, size)
    points = coordinates(shape, _ISOTROPIC, device)
    chi = torch.zeros(shape, device=device)
    for _ in range(1 + draw.integer(shapes)):
        radius, value = draw.log_between(1.0, size / 6.0), draw.between(-largest, largest)
        middle = size / 2.0 - radius - 1.0
        away = points - points.new_tensor([draw.between(-middle, middle) for _ in range(3)])
        distance = away.abs().amax(-1) if draw.chance(0.5) else away.norm(dim=-1)
        share = share_within(distance, radius)
        chi += share * (value - chi)
    field = forward_field(chi, _ISOTROPIC, _UPWARDS)
    mask = torch.ones(shape, dtype=torch.bool, device=device)
    return _noisy(field, mask, chi, 0.0, draw)


def _noisy(field: torch.Tensor, mask: torch.Tensor, chi: torch.Tensor, sd: float, draw: Draws) -> Scene:
    shape: Size = (field.shape[0], field.shape[1], field.shape[2])
    inside = mask.float()
    clean = field * inside
    noisy = (field + sd * draw.normal(shape, field.device)) * inside
    return Scene(noisy, mask, sd * inside, inside, clean, chi * inside, _ISOTROPIC, _UPWARDS)
