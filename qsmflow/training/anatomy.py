"""Random heads on random grids: what is drawn once, and then given many susceptibilities."""

from __future__ import annotations

import dataclasses
import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qsmflow.core.background import vsharp
from qsmflow.core.dipole import forward_field
from qsmflow.core.grid import Size, as_size
from qsmflow.errors import InputError
from qsmflow.phantom.head import ProceduralHead
from qsmflow.phantom.pose import rotation

from .draws import Draws
from .scene import Vector

#: Points that are looked at together.
_CHUNK = 500_000
#: mm; the field from outside the brain is made and removed on a grid of this spacing, which its long waves allow.
_COARSE = 2.0
#: Points an axis at which a voxel of the brain is looked at.
FINE = 2


@dataclass(frozen=True)
class Background:
    """What background removal leaves of the field from outside the brain.

    Attributes
    ----------
    b0_dir
        Direction of B0 in voxel axes.
    left
        ppm, (X, Y, Z), on the grid of the anatomy; zero where background removal gave nothing.
    """

    b0_dir: Vector
    left: torch.Tensor


@dataclass(frozen=True)
class Anatomy:
    """The brain of a head on a grid.

    Attributes
    ----------
    labels
        Of the tissue table ``head``, uint8, (2X, 2Y, 2Z): two points a voxel along each axis.
    brain
        bool, (X, Y, Z): where most of a voxel is brain.
    voxel_size
        mm.
    backgrounds
        One for each of several directions of B0.
    """

    labels: torch.Tensor
    brain: torch.Tensor
    voxel_size: Vector
    backgrounds: tuple[Background, ...]


@dataclass(frozen=True)
class _Grid:
    """Points `low` + index * `spacing`, mm, in the axes of the scanner."""

    low: Vector
    spacing: Vector
    shape: Size

    def axes(self, device: torch.device | str) -> list[torch.Tensor]:
        return [
            low + d * torch.arange(n, device=device)
            for low, d, n in zip(self.low, self.spacing, self.shape, strict=True)
        ]

    def slabs(self, device: torch.device | str) -> Iterator[torch.Tensor]:
        """The points, (n, Y, Z, 3), some planes at a time."""
        x, y, z = self.axes(device)
        for part in x.split(max(1, _CHUNK // (len(y) * len(z)))):
            yield torch.stack(torch.meshgrid(part, y, z, indexing="ij"), -1)


def draw_anatomy(
    generator: torch.Generator,
    *,
    straight: bool = False,
    directions: int = 4,
    spacing: float = 1.2,
    device: torch.device | str = "cpu",
) -> Anatomy:
    """Draw a head, its size and pose, a grid, and directions of B0.

    Half of the grids have voxels of 1 mm; the others 0.8 to 1.2 mm in two axes and up to 2.5 times that along the
    third. The head is stretched by up to 12 % along each of its axes and turned by up to 15 degrees about each. B0
    is along the axis of the grid at first, within 35 degrees of it in half of the other directions, and anywhere in
    the rest.

    Parameters
    ----------
    generator
        On the CPU, so that every device draws the same.
    straight
        All voxels are of 1 mm, B0 is along the third axis, and the head is turned by up to 30 degrees instead: the
        frame of a network that knows no other.
    directions
        Of B0, unless `straight`; each costs a background removal.
    spacing
        Of the lattice of the head, mm; see `ProceduralHead`.
    device
        Where the head is made and kept.
    """
    draw = Draws(generator)
    head = ProceduralHead(draw.integer(2**31), device=device, spacing=spacing)
    voxel_size = (1.0, 1.0, 1.0) if straight else _draw_voxel_size(draw)
    largest = 30.0 if straight else 15.0
    turn = torch.tensor(rotation([draw.between(-largest, largest) for _ in range(3)]), dtype=torch.float32)
    stretch = torch.diag(torch.tensor([1.0 / draw.between(0.88, 1.12) for _ in range(3)]))
    to_head = (stretch @ turn.T).to(device)
    is_brain = head.tissues.column("brain", device) > 0

    coarse = _grid_of_head(head, turn)
    labels = _labels(head, to_head, coarse)
    fine = _grid_of_brain(is_brain[labels.int()], coarse, voxel_size)
    looked = _labels(head, to_head, fine)
    share = torch.nn.functional.avg_pool3d(is_brain[looked.int()].float()[None], FINE)[0]
    b0_dirs = [(0.0, 0.0, 1.0)]
    if not straight:
        b0_dirs += [draw.direction(35.0 if draw.chance(0.5) else 180.0) for _ in range(directions - 1)]
    backgrounds = [
        Background(b0_dir, _interpolated(_left_over(head, labels, b0_dir), coarse, fine)) for b0_dir in b0_dirs
    ]
    return Anatomy(looked, share > 0.5, voxel_size, tuple(backgrounds))


def save_anatomy(anatomy: Anatomy, path: Path) -> None:
    """Keep an anatomy in a file."""
    write_whole(dataclasses.asdict(anatomy), path)


def write_whole(content: dict[str, Any], path: Path) -> None:
    """Write tensors into a file that, once it is there, is whole; `InputError` where that cannot be."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, unfinished)
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:  # torch's, of a full disk
        unfinished.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error}); free space, or take another --out") from error


def is_whole(path: Path) -> bool:
    """Whether a file that `torch.save` wrote is there to its end; one that is cut short has no table of contents."""
    return path.is_file() and zipfile.is_zipfile(path)


def is_kept(path: Path) -> bool:
    """Whether there is material to be read; warns of what is cut short and made again."""
    if path.is_file() and not is_whole(path):
        warnings.warn(f"{path}: cut short; it is made again", RuntimeWarning, stacklevel=2)
    return is_whole(path)


def load_anatomy(path: Path, device: torch.device | str = "cpu") -> Anatomy:
    """An anatomy that `save_anatomy` kept."""
    kept = torch.load(path, map_location=device)
    backgrounds = tuple(Background(**background) for background in kept.pop("backgrounds"))
    return Anatomy(**kept, backgrounds=backgrounds)


def _draw_voxel_size(draw: Draws) -> Vector:
    if draw.chance(0.5):
        return 1.0, 1.0, 1.0
    d = draw.between(0.8, 1.2)
    longer = d * draw.between(1.0, 2.5)
    if draw.chance(0.7):
        return d, d, longer
    return (longer, d, d) if draw.chance(0.5) else (d, longer, d)


def _grid_of_head(head: ProceduralHead, turn: torch.Tensor) -> _Grid:
    """The grid that holds a turned and stretched head."""
    corners = torch.cartesian_prod(*[torch.tensor(pair) for pair in zip(*head.bounds, strict=True)]) * 1.12
    seen = corners @ turn.T
    low, high = seen.min(0).values, seen.max(0).values
    shape = ((high - low) / _COARSE).ceil().int().tolist()
    x, y, z = low.tolist()
    return _Grid((x, y, z), (_COARSE,) * 3, as_size(shape))


def _grid_of_brain(brain: torch.Tensor, coarse: _Grid, voxel_size: Vector) -> _Grid:
    """The points at which the voxels around the brain are looked at, some voxels of room included."""
    lows, sizes = [], []
    for axis, d in enumerate(voxel_size):
        held = brain.any(dim=[a for a in range(3) if a != axis]).nonzero()
        low, high = (coarse.low[axis] + _COARSE * float(held[end]) for end in (0, -1))
        voxels = int((high - low) / d) + 6
        lows.append(0.5 * (low + high) - 0.5 * d * voxels)
        sizes.append(FINE * voxels)
    dx, dy, dz = (d / FINE for d in voxel_size)
    return _Grid((lows[0], lows[1], lows[2]), (dx, dy, dz), as_size(sizes))


def _labels(head: ProceduralHead, to_head: torch.Tensor, grid: _Grid) -> torch.Tensor:
    """uint8, the shape of the grid."""
    return torch.cat([head.labels_at(points @ to_head.T) for points in grid.slabs(to_head.device)])


def _left_over(head: ProceduralHead, labels: torch.Tensor, b0_dir: Sequence[float]) -> torch.Tensor:
    """What V-SHARP leaves of the field from outside the brain, ppm, on the coarse grid."""
    index = labels.int()
    brain = head.tissues.column("brain", labels.device)[index] > 0
    # the brain as water; everything relative to the air around the head, which goes on beyond the grid
    chi = torch.where(brain, 0.0, head.tissues.column("chi", labels.device)[index]) - head.outside
    total = forward_field(chi, (_COARSE,) * 3, b0_dir)
    left, _ = vsharp(total, brain, (_COARSE,) * 3, b0_dir)
    return left


def _interpolated(volume: torch.Tensor, coarse: _Grid, fine: _Grid) -> torch.Tensor:
    """A volume on the coarse grid at the centres of the voxels of the fine one, linearly."""
    places = []
    for axis, points in enumerate(fine.axes(volume.device)):
        centres = points.view(-1, FINE).mean(1)
        index = (centres - coarse.low[axis]) / coarse.spacing[axis]
        places.append(2.0 * index / (coarse.shape[axis] - 1) - 1.0)
    x, y, z = torch.meshgrid(*places, indexing="ij")
    at = torch.stack((z, y, x), -1)[None]
    found = torch.nn.functional.grid_sample(volume[None, None], at, align_corners=True)
    return found[0, 0]
