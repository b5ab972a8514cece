"""The procedural brain: hemispheres with a folded cortex, cerebellum, brain stem."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from qsmflow.phantom.lattice import Lattice, random_function
from qsmflow.phantom.shapes import Coordinates, blend, ellipsoid, mirrored, path, tube, union


@dataclass(frozen=True)
class Brain:
    """Surfaces of the brain on a lattice: signed distances in mm, (X, Y, Z), negative inside.

    Attributes
    ----------
    hull
        The brain with its sulci filled.
    cavity
        The inside of the skull, and the spinal canal.
    pia
        The surface of the tissue, sulci left out.
    white
        White matter.
    """

    hull: torch.Tensor
    cavity: torch.Tensor
    pia: torch.Tensor
    white: torch.Tensor


@dataclass(frozen=True)
class Folds:
    """The random functions that shape a brain.

    Attributes
    ----------
    slow, quick
        Of long and of short wavelength: sway of the fissures, depth of the sulci, thickness of the cortex.
    sulci
        For each generation of sulci the function that both hemispheres share and the one they do not.
    """

    slow: Lattice
    quick: Lattice
    sulci: tuple[tuple[Lattice, Lattice], ...]


#: Generations of sulci: wavelength of their function, mean depth, its variation, width at the bottom; mm.
_GENERATIONS = ((24.0, 17.0, 6.0, 0.4), (14.0, 6.0, 3.0, 0.25))


def draw_folds(generator: torch.Generator, device: torch.device | str = "cpu") -> Folds:
    """Draw the random functions of one brain."""
    low, high = (-90.0, -130.0, -140.0), (90.0, 130.0, 110.0)
    slow, quick = (random_function(low, high, length, generator, device=device) for length in (35.0, 18.0))
    low, high = (-75.0, -95.0, -70.0), (75.0, 95.0, 80.0)
    sulci = []
    for wavelength, *_ in _GENERATIONS:
        shared, own = (random_function(low, high, wavelength, generator, band=0.25, device=device) for _ in range(2))
        sulci.append((shared, own))
    return Folds(slow, quick, tuple(sulci))


def make_brain(at: Coordinates, spacing: float, folds: Folds) -> Brain:
    """Shape the brain at the (warped) coordinates `at`, (X, Y, Z), of a lattice of `spacing` mm."""
    side = mirrored(at)
    cerebrum, cerebellum, stem = _parts(side)
    hull = _hull(cerebrum, cerebellum, stem)
    canal = path(at, ((0, -32, -60), (0, -37, -80), (0, -38, -140)), (13, 10, 10))
    cavity = blend(blend(blend(cerebrum, cerebellum, 16.0), stem, 10.0) - 3.2, canal, 8.0)

    slow, quick = folds.slow.over(at), folds.quick.over(at)
    outer = _folded(at, side, cerebrum, slow, quick, spacing, folds)
    tissue = torch.maximum(outer, _fissure(at, side, slow))
    thickness = 2.8 + 0.25 * quick
    callosum = torch.maximum(_callosum(side) + 0.8, side[0] - 12.0)
    core = torch.maximum(union(ellipsoid(side, (0, -14, -8), (24, 24, 26)), callosum), cerebrum + 0.5)
    folia = _folia(at, torch.maximum(cerebellum, 1.5 - cerebrum), quick)
    return Brain(
        hull=hull,
        cavity=torch.minimum(cavity, hull + 1.0),
        pia=union(tissue, core, folia, stem),
        white=union(tissue + thickness, core, folia + 1.5, stem),
    )


def brain_hull(side: Coordinates) -> torch.Tensor:
    """The brain with its sulci filled, at coordinates folded onto the right."""
    return _hull(*_parts(side))


def _parts(side: Coordinates) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cerebrum, cerebellum and brain stem with the spinal cord."""
    stem = path(side, ((0, -14, -6), (0, -20, -24), (0, -30, -52), (0, -36, -75), (0, -38, -140)), (15, 13, 9, 6.5, 6))
    stem = blend(stem, ellipsoid(side, (0, -17, -27), (16, 12, 13)), 5.0)
    cerebellum = union(ellipsoid(side, (24, -58, -34), (27, 25, 20)), ellipsoid(side, (0, -56, -31), (13, 24, 19)))
    return _cerebrum(side), cerebellum, stem


def _hull(cerebrum: torch.Tensor, cerebellum: torch.Tensor, stem: torch.Tensor) -> torch.Tensor:
    return blend(blend(cerebrum, cerebellum, 5.0), stem, 4.0)


def _cerebrum(side: Coordinates) -> torch.Tensor:
    """Both hemispheres without the fissure: a flattened ellipsoid and the temporal lobes."""
    x, y, z = side
    main = ellipsoid(side, (0, -2, 12), (67, 84, 58))
    floor = -15.0 - z + 0.10 * (y - 20.0) + 0.004 * (x - 20.0) ** 2  # frontal base, tentorium
    reach = 8.0
    h = (reach - (main - floor).abs()).clamp_min(0.0) / reach
    main = torch.maximum(main, floor) + h * h * (reach / 4.0)
    tilted = (x, y, z + 0.18 * (y + 10.0))
    temporal = ellipsoid(tilted, (45, -8, -19), (20, 42, 18))
    return blend(main, temporal, 7.0)


def _callosum(side: Coordinates) -> torch.Tensor:
    """The cylinder along x within which the hemispheres are joined."""
    x, y, z = side
    return ellipsoid((0.0 * x, y, z), (0, -4, 3), (1.0e4, 38, 27))


def _fissure(at: Coordinates, side: Coordinates, slow: torch.Tensor) -> torch.Tensor:
    """Positive where the midline or the Sylvian fissure is."""
    x, y, z = at
    into = (-_callosum(side)).clamp_min(0.0)
    midline = 0.9 - ((x + 0.8 * slow) ** 2 + into**2).sqrt()
    s = side[0]
    # the Sylvian fissure: a sheet rising backwards, opening over the insula
    sheet = (z + 3.0 + 0.25 * (y - 10.0) + 1.5 * slow).abs()
    medial = (40.0 - s).clamp_min(0.0)
    beyond = (y - 30.0).clamp_min(0.0) + (-42.0 - y).clamp_min(0.0)
    sylvian = 0.8 + 0.02 * (s - 38.0).clamp(0.0, 40.0) - (sheet**2 + medial**2 + beyond**2).sqrt()
    tall = (z - 5.0).abs() - 12.0
    insula = (
        0.9
        - (
            (s - 40.0 - 0.006 * y * y) ** 2 + tall.clamp_min(0.0) ** 2 + ((y - 2.0).abs() - 20.0).clamp_min(0.0) ** 2
        ).sqrt()
    )
    return torch.maximum(midline, torch.maximum(sylvian, insula))


def _folded(
    at: Coordinates,
    side: Coordinates,
    cerebrum: torch.Tensor,
    slow: torch.Tensor,
    quick: torch.Tensor,
    spacing: float,
    folds: Folds,
) -> torch.Tensor:
    """Surface of the hemispheres with sulci cut in.

    The sulci are the zero surfaces of a random function of one wavelength, read at coordinates whose radial part (away
    from the axis of the hemisphere) is compressed, so that the surfaces stand upright in the cortex.
    """
    depth = -cerebrum
    outer = cerebrum
    upright = _upright(side)
    mirror = torch.cat([upright[..., :1] * torch.sign(at[0])[..., None], upright[..., 1:]], -1)
    for (wavelength, mean, spread, gap), vary, (shared, own) in zip(
        _GENERATIONS, (slow, quick), folds.sulci, strict=True
    ):
        value = 0.8 * shared.on(upright) + 0.6 * own.on(mirror)
        slope = sum(part * part for part in torch.gradient(value, spacing=spacing))
        sheet = value.abs() / torch.as_tensor(slope).sqrt().clamp_min(0.3 / wavelength)
        below = (depth - (mean + spread * vary).clamp(2.0, 26.0)).clamp_min(0.0)
        width = gap + 0.8 * torch.exp(-depth.clamp_min(0.0) / 3.0)
        outer = torch.maximum(outer, width - (sheet**2 + below**2).sqrt())
    return outer


def _upright(side: Coordinates) -> torch.Tensor:
    """Coordinates (X, Y, Z, 3) that hardly change away from the axis of the hemisphere."""
    x, y, z = side
    along = y.clamp(-48.0, 40.0)
    dx, dy, dz = x - 22.0, y - along, z - 8.0
    radius = (dx * dx + dy * dy + dz * dz).sqrt().clamp_min(1.0)
    shrink = (38.0 + 0.3 * (radius - 38.0)) / radius
    return torch.stack((22.0 + shrink * dx, along + shrink * dy, 8.0 + shrink * dz), -1)


def _folia(at: Coordinates, cerebellum: torch.Tensor, quick: torch.Tensor) -> torch.Tensor:
    """Tissue of the cerebellum, cut by fine fissures that fan out from the fourth ventricle."""
    _, y, z = at
    angle = torch.atan2(z + 30.0, -(y + 36.0))
    radius = ((z + 30.0) ** 2 + (y + 36.0) ** 2).sqrt().clamp_min(4.0)
    turn = angle * (24.0 / 5.0) + 0.18 * quick
    number = torch.floor(turn)
    sheet = (turn - number - 0.5).abs() * (5.0 / 24.0) * radius
    deep = 7.0 + 7.0 * (torch.remainder(number, 3.0) == 0)
    cut = (sheet**2 + (-cerebellum - deep).clamp_min(0.0) ** 2).sqrt()
    return torch.maximum(cerebellum, 0.45 - cut)


def spinal_column(at: Coordinates) -> torch.Tensor:
    """Vertebrae: bone around the spinal canal, with discs between."""
    ring = tube(at, (0, -38, -72), (0, -38, -140), 16.0)
    body = torch.maximum(
        tube(at, (0, -18, -72), (0, -18, -140), 11.0), torch.sin(at[2] * (2 * math.pi / 18.0)) * 4.0 - 3.0
    )
    return union(ring, body)
