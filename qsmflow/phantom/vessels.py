"""Veins of the procedural head."""

from __future__ import annotations

import math

import torch

from qsmflow.phantom.lattice import Lattice
from qsmflow.phantom.shapes import tube

Point = tuple[float, float, float]
Segment = tuple[Point, Point, float, float]
#: Farther from a vein than this its distance is not computed, mm.
_REACH = 3.0


def draw_veins(generator: torch.Generator) -> list[Segment]:
    """Veins inside the brain as tubes: start, end, and the radius at both, mm.

    Straight sinus, vein of Galen, internal cerebral, thalamostriate and septal veins, and medullary veins that run
    from the lateral ventricle towards the cortex at random.
    """
    segments: list[Segment] = []
    midline = ((0.0, -36.0, 9.0), (0.0, -44.0, 13.0), (0.0, -58.0, 3.0), (0.0, -76.0, -8.0))
    segments += _chain(midline, (1.6, 1.8, 2.0, 2.4))
    for sign in (-1.0, 1.0):
        jitter = 0.6 * torch.randn(4, generator=generator)
        inner = ((2.2, 6.0, 12.0), (2.4, -10.0, 13.5), (2.2, -26.0, 12.0), (0.8, -36.0, 9.0))
        segments += _chain(
            [(sign * x, y, z + float(j)) for (x, y, z), j in zip(inner, jitter, strict=True)], (0.9, 1.0, 1.1, 1.4)
        )
        striate = ((2.2, 6.0, 12.0), (9.0, -2.0, 15.5), (15.0, -14.0, 16.5))
        segments += _chain([(sign * x, y, z) for x, y, z in striate], (0.9, 0.85, 0.7))
        septal = ((2.2, 6.0, 12.0), (3.0, 18.0, 10.0), (10.0, 30.0, 11.0), (16.0, 40.0, 16.0))
        segments += _chain([(sign * x, y, z) for x, y, z in septal], (0.9, 0.85, 0.75, 0.65))
        basal = ((10.0, 4.0, -13.0), (16.0, -16.0, -12.0), (13.0, -30.0, -2.0), (0.8, -37.0, 8.0))
        segments += _chain([(sign * x, y, z) for x, y, z in basal], (0.8, 1.0, 1.1, 1.3))
        for _ in range(26):
            segments += _medullary(sign, generator)
    return segments


def _medullary(sign: float, generator: torch.Generator) -> list[Segment]:
    u = torch.rand(5, generator=generator).tolist()
    y = 32.0 - 72.0 * u[0]
    start = (13.0 + 6.0 * (y < -20.0), y, 20.0 - 0.012 * (y - 2.0) ** 2 * 0.5)
    rise, length = math.radians(10.0 + 75.0 * u[1]), 16.0 + 18.0 * u[2]
    heading = math.radians(70.0 * (u[3] - 0.5)) + math.radians(0.9 * y)
    across = math.cos(rise) * math.cos(heading)
    end = (
        start[0] + length * across,
        y + length * math.cos(rise) * math.sin(heading),
        start[2] + length * math.sin(rise),
    )
    middle = tuple(0.5 * (a + b) + 2.0 * (u[4] - 0.5) for a, b in zip(start, end, strict=True))
    points = [(sign * x, y_, z) for x, y_, z in (start, middle, end)]
    return _chain(points, (0.75, 0.65, 0.5))


def draw_surface_veins(hull: Lattice, generator: torch.Generator) -> list[Segment]:
    """Sagittal and transverse sinuses, and cortical veins that climb over the hemispheres to the sagittal sinus.

    Parameters
    ----------
    hull
        Signed distance of the brain with its sulci filled, one channel.
    """
    segments: list[Segment] = []
    arc = [math.radians(a) for a in range(18, 201, 7)]
    crest = _onto(hull, [(0.0, 70.0 * math.cos(a) - 2.0, 8.0 + 55.0 * math.sin(a)) for a in arc], 1.6)
    segments += _chain(crest, tuple(1.4 + 1.8 * i / len(arc) for i in range(len(arc))))
    for sign in (-1.0, 1.0):
        sweep = [math.radians(a) for a in range(90, 21, -8)]
        around = [(sign * 60.0 * math.cos(a), -78.0 * math.sin(a), -12.0) for a in sweep]
        segments += _chain(_onto(hull, around, 1.6), (3.0,) * len(around))
        for _ in range(13):
            u = torch.rand(3, generator=generator).tolist()
            y, lean, stop = 58.0 - 120.0 * u[0], 50.0 * (u[1] - 0.5), 40.0 + 40.0 * u[2]
            climb = [math.radians(a) for a in torch.arange(3.0, stop, 6.0).tolist()]
            wiggle = torch.randn(len(climb), generator=generator).mul(1.5).tolist()
            points = [
                (sign * 60.0 * math.sin(a), y + lean * a + w, 8.0 + 52.0 * math.cos(a))
                for a, w in zip(climb, wiggle, strict=True)
            ]
            segments += _chain(
                _onto(hull, points, -1.2), tuple(1.4 - 0.7 * i / len(points) for i in range(len(points)))
            )
    return segments


def _chain(points: list[Point] | tuple[Point, ...], radii: tuple[float, ...]) -> list[Segment]:
    return [(points[i], points[i + 1], radii[i], radii[i + 1]) for i in range(len(points) - 1)]


def _onto(hull: Lattice, points: list[Point], height: float) -> list[Point]:
    """Move `points` along the rays from the middle of the brain to `height` mm above the hull."""
    centre = torch.tensor((0.0, 0.0, 8.0))
    rays = torch.tensor(points) - centre
    rays = rays / rays.norm(dim=-1, keepdim=True)
    steps = torch.arange(20.0, 110.0, 0.5)
    along = centre + rays[:, None] * steps[:, None]
    distance = hull.on(along.to(hull.rows.device)).cpu()
    last = ((distance < height).float() * steps).argmax(1)  # the outermost crossing
    found = centre + rays * steps[last, None]
    return [(float(x), float(y), float(z)) for x, y, z in found]


def vein_distance(axes: tuple[torch.Tensor, torch.Tensor, torch.Tensor], segments: list[Segment]) -> torch.Tensor:
    """Signed distance of the union of `segments` at the nodes of a lattice given by its axes, at most 3 mm."""
    flat = [axis.flatten() for axis in axes]
    out = torch.full([len(axis) for axis in flat], _REACH, device=flat[0].device)
    for start, end, radius, end_radius in segments:
        box = []
        for axis, a, b in zip(flat, start, end, strict=True):
            near = _REACH + max(radius, end_radius)
            low = int(torch.searchsorted(axis, min(a, b) - near))
            high = int(torch.searchsorted(axis, max(a, b) + near))
            box.append(slice(low, high))
        if any(one.stop <= one.start for one in box):
            continue
        at = (flat[0][box[0]].reshape(-1, 1, 1), flat[1][box[1]].reshape(1, -1, 1), flat[2][box[2]].reshape(1, 1, -1))
        # interpolation between nodes shrinks a thin tube by about a sixth of the spacing
        piece = tube(at, start, end, radius + 0.2, end_radius + 0.2)
        out[box[0], box[1], box[2]] = torch.minimum(out[box[0], box[1], box[2]], piece)
    return out
