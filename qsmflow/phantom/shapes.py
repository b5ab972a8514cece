"""Signed distances of simple shapes: negative inside, mm, exact or close to it near the surface.

All functions take the coordinates as three tensors that broadcast, so a lattice may be given by its axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

Coordinates = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def ellipsoid(at: Coordinates, centre: Sequence[float], radii: Sequence[float]) -> torch.Tensor:
    """Ellipsoid with its axes along the coordinates; first-order distance, exact on the surface."""
    offsets = [c - float(m) for c, m in zip(at, centre, strict=True)]
    scaled = sum((o / float(r)) ** 2 for o, r in zip(offsets, radii, strict=True))
    slope = sum((o / float(r) ** 2) ** 2 for o, r in zip(offsets, radii, strict=True))
    k = torch.as_tensor(scaled).sqrt()
    return k * (k - 1.0) / torch.as_tensor(slope).sqrt().clamp_min(1e-6)


def tube(
    at: Coordinates, start: Sequence[float], end: Sequence[float], radius: float, end_radius: float | None = None
) -> torch.Tensor:
    """Round-ended tube from `start` to `end`, its radius running linearly to `end_radius`."""
    axis = [float(b) - float(a) for a, b in zip(start, end, strict=True)]
    offsets = [c - float(a) for c, a in zip(at, start, strict=True)]
    length2 = max(sum(a * a for a in axis), 1e-12)
    along = torch.as_tensor(sum(o * a for o, a in zip(offsets, axis, strict=True))) / length2
    along = along.clamp(0.0, 1.0)
    distance = torch.as_tensor(sum((o - along * a) ** 2 for o, a in zip(offsets, axis, strict=True))).sqrt()
    return distance - (radius + along * ((radius if end_radius is None else end_radius) - radius))


def path(at: Coordinates, points: Sequence[Sequence[float]], radii: Sequence[float]) -> torch.Tensor:
    """Union of the tubes that join consecutive `points`, with a radius at each."""
    pieces = [tube(at, points[i], points[i + 1], radii[i], radii[i + 1]) for i in range(len(points) - 1)]
    return union(*pieces)


def union(*shapes: torch.Tensor) -> torch.Tensor:
    """What lies in any of the shapes."""
    out = shapes[0]
    for shape in shapes[1:]:
        out = torch.minimum(out, shape)
    return out


def blend(a: torch.Tensor, b: torch.Tensor, reach: float) -> torch.Tensor:
    """Union whose seam is rounded over `reach` mm."""
    h = (reach - (a - b).abs()).clamp_min(0.0) / reach
    return torch.minimum(a, b) - h * h * (reach / 4.0)


def mirrored(at: Coordinates, softness: float = 0.3) -> Coordinates:
    """Fold the left half onto the right, so that one shape stands on both sides; smooth at the midline."""
    x, y, z = at
    return (x * x + softness * softness).sqrt(), y, z
