"""Cores of nuclei, placed in a susceptibility map by how they stand out from what lies round them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qsmflow.core.smooth import gaussian

from .transforms import Matrix, as_matrix

#: The map is cut off at this size, ppm, which veins and lesions exceed, and smoothed by this standard deviation, mm.
_MOST, _SMOOTH_MM = 0.15, 1.2
#: What lies round a core: between its surface and another with radii longer by these, mm, and outside other cores.
_GAP_MM, _RIM_MM = 1.5, 5.0
#: Shifts of all cores tried to the side, and to the front and up, mm; and how many of them are refined.
_ASIDE, _ALONG, _STRIDE, _REFINED = 6.0, 18.0, 3.0, 4
#: Standard deviations: of a rotation in degrees and of a size in percent; of a group's own shift and its most, mm.
_LOOSE, _OWN_MM, _OWN_MOST_MM = 12.0, 4.0, 4.0
#: Share of a core that must lie in the mask.
_INSIDE = 0.5


@dataclass(frozen=True)
class Core:
    """An ellipsoid well inside a nucleus.

    Attributes
    ----------
    index
        Label, 1 and up.
    group
        Cores of one group move together; those of the empty group stay with all.
    centre, radii
        mm, in the space of the template.
    weight
        How much its contrast counts.
    """

    index: int
    group: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    weight: float


@dataclass(frozen=True)
class Placed:
    """What `place_cores` found.

    Attributes
    ----------
    labels
        (X, Y, Z) int32, the index of each core, 0 elsewhere.
    contrast
        Weighted mean of the cores' mean susceptibility less that of what lies round them, ppm; before a group moves.
    shift
        mm, the largest by which a group moved of its own.
    """

    labels: Tensor
    contrast: float
    shift: float


def place_cores(chi: Tensor, affine: Matrix, mask: Tensor, start: Matrix, cores: Sequence[Core]) -> Placed:
    """Place the cores of nuclei where the map is brighter inside them than round them.

    All cores together are shifted, turned and scaled from `start`, a search over shifts first; then each group moves by
    a few mm of its own. Turning, scaling and a group's own way are held back by Gaussians about none. A core of which
    less than half comes to lie in the mask is left out.

    Parameters
    ----------
    chi
        (X, Y, Z) susceptibility, ppm.
    affine
        (4, 4) voxel to world mm.
    mask
        (X, Y, Z) bool, where `chi` is known.
    start
        (4, 4) mm of the template to world mm, right within 18 mm and some degrees.
    cores
        Of the template.

    Returns
    -------
    Placed
        Labels, none where the cores are nowhere brighter than what lies round them. Peak memory about 6 volumes.

    Raises
    ------
    ValueError
        An affine that is none, or an empty mask.
    """
    if not bool(mask.any()):
        raise ValueError("the mask is empty; no nucleus lies in it")
    to_world, begin = as_matrix(affine), as_matrix(start)
    sizes = to_world[:3, :3].norm(dim=0).tolist()
    smooth = gaussian((chi * mask).clamp(-_MOST, _MOST), (sizes[0], sizes[1], sizes[2]), _SMOOTH_MM)
    sampled = _Sampled(smooth, torch.linalg.inv(to_world) @ begin, cores)
    tried = torch.tensor(
        list(itertools.product(_steps(_ASIDE), _steps(_ALONG), _steps(_ALONG))), dtype=torch.float32, device=chi.device
    )
    scores = torch.stack([sampled.contrast(sampled.points + shift) for shift in tried])
    best = torch.argsort(scores, descending=True)[:_REFINED]
    if not float(scores[best[0]]) > 0:
        return Placed(torch.zeros(mask.shape, dtype=torch.int32, device=mask.device), float(scores[best[0]]), 0.0)
    moved = [sampled.refined(tried[k]) for k in best.tolist() if float(scores[k]) > 0]
    contrast, matrix = max(moved, key=lambda found: found[0])
    shifts = sampled.own_shifts(matrix)
    labels = _painted(mask, to_world, begin, matrix, sampled.centre, cores, shifts)
    return Placed(
        labels,
        contrast / sum(core.weight for core in cores),
        max((math.hypot(*shift) for shift in shifts.values()), default=0.0),
    )


def _steps(reach: float) -> list[float]:
    count = round(reach / _STRIDE)
    return [_STRIDE * k for k in range(-count, count + 1)]


def _lattice(count: int) -> Tensor:
    """`count` points an axis in the cube from -1 to 1, (count^3, 3)."""
    axis = torch.linspace(-1, 1, count)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)


class _Sampled:
    """A map, seen at points inside and round the cores, in mm of the template."""

    def __init__(self, smooth: Tensor, to_voxel: Tensor, cores: Sequence[Core]):
        self._map, self._to_voxel, self._cores = smooth, to_voxel.to(smooth), cores
        centres, lengths = (
            torch.tensor([getattr(core, name) for core in cores]).float() for name in ("centre", "radii")
        )
        points, weights, groups = [], [], []
        for core, centre, radii in zip(cores, centres, lengths, strict=True):
            inside = _lattice(7)
            inside = centre + radii * inside[inside.norm(dim=1) <= 1]
            rim = centre + (radii + _RIM_MM) * _lattice(9)
            for other, size in zip(centres, lengths, strict=True):
                rim = rim[((rim - other) / (size + _GAP_MM)).norm(dim=1) > 1]
            points += [inside, rim]
            weights += [torch.full((len(p),), s * core.weight / len(p)) for p, s in ((inside, 1), (rim, -1))]
            groups += [core.group] * (len(inside) + len(rim))
        self.points, self._weights = torch.cat(points).to(smooth), torch.cat(weights).to(smooth)
        self._groups = groups
        self.centre = centres.mean(0).to(smooth)

    def contrast(self, points: Tensor, weights: Tensor | None = None) -> Tensor:
        """Weighted sum over the cores, their points moved to `points`, of the mean inside less that round them, ppm."""
        at = points @ self._to_voxel[:3, :3].T + self._to_voxel[:3, 3]
        size = torch.tensor(self._map.shape, dtype=at.dtype, device=at.device)
        grid = (2 * at / (size - 1) - 1).flip(-1)[None, None, None]
        values = functional.grid_sample(self._map[None, None], grid, align_corners=True)
        return (self._weights if weights is None else weights) @ values.flatten()

    def refined(self, shift: Tensor) -> tuple[float, Tensor]:
        """The contrast and the (3, 4) matrix of the best shift, rotation and sizes near `shift`."""
        free = torch.cat([shift, torch.zeros(6).to(shift)]).requires_grad_()
        descent = torch.optim.LBFGS([free], max_iter=60, line_search_fn="strong_wolfe")

        def cost() -> Tensor:
            descent.zero_grad()
            seen = self.contrast(_moved(self.points, _matrix(free), self.centre)).clamp(min=1e-6)
            loss = -seen.log() + (free[3:] / _LOOSE).square().sum() / 2
            loss.backward()
            return loss

        descent.step(cost)
        matrix = _matrix(free.detach())
        return float(self.contrast(_moved(self.points, matrix, self.centre))), matrix

    def own_shifts(self, matrix: Tensor) -> dict[str, tuple[float, float, float]]:
        """The shift, mm of the template, at which each group stands out most."""
        steps = _OWN_MOST_MM * _lattice(2 * round(_OWN_MOST_MM) + 1)
        steps = steps[steps.norm(dim=1) <= _OWN_MOST_MM].to(self.points)
        found = {}
        for group in dict.fromkeys(core.group for core in self._cores if core.group):
            chosen = torch.tensor([one == group for one in self._groups], device=self.points.device)
            points, weights = self.points[chosen], self._weights[chosen]
            seen = torch.stack([self.contrast(_moved(points + s, matrix, self.centre), weights) for s in steps])
            best = steps[int((seen * torch.exp(-(steps / _OWN_MM).square().sum(1) / 2)).argmax())]
            x, y, z = best.tolist()
            found[group] = (x, y, z)
        return found


def _matrix(free: Tensor) -> Tensor:
    """(3, 4) of a shift, mm, a rotation vector, degrees, and three sizes, percent."""
    x, y, z = torch.deg2rad(free[3:6])
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return torch.cat([torch.linalg.matrix_exp(cross) * (1 + free[6:9] / 100), free[:3, None]], dim=1)


def _moved(points: Tensor, matrix: Tensor, centre: Tensor) -> Tensor:
    return (points - centre) @ matrix[:, :3].T + centre + matrix[:, 3]


def _painted(
    mask: Tensor,
    to_world: Tensor,
    begin: Tensor,
    matrix: Tensor,
    centre: Tensor,
    cores: Sequence[Core],
    shifts: Mapping[str, tuple[float, float, float]],
) -> Tensor:
    """Labels of the voxels of `mask` that lie in a core."""
    labels = torch.zeros(mask.shape, dtype=torch.int32, device=mask.device)
    voxels = torch.nonzero(mask)
    back = (torch.linalg.inv(begin) @ to_world).to(matrix)
    at = voxels.to(matrix) @ back[:3, :3].T + back[:3, 3]
    at = (at - centre - matrix[:, 3]) @ torch.linalg.inv(matrix[:, :3]).T + centre
    voxel = float((torch.linalg.det(back[:3, :3]) / torch.linalg.det(matrix[:, :3])).abs())
    for core in cores:
        middle = torch.tensor(core.centre) + torch.tensor(shifts.get(core.group, (0.0, 0.0, 0.0)))
        inside = ((at - middle.to(at)) / torch.tensor(core.radii).to(at)).norm(dim=1) <= 1
        whole = 4 / 3 * math.pi * math.prod(core.radii)
        if float(inside.sum()) * voxel >= _INSIDE * whole:
            labels[tuple(voxels[inside].T)] = core.index
    return labels
