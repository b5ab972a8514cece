"""A head on a grid: what each voxel holds, without interpolating one grid to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch

from qsmflow.core.grid import Size
from qsmflow.phantom.tissues import TissueTable

#: Points that are looked at together; bounds the memory at about 200 bytes a point.
_CHUNK = 500_000


class Head(Protocol):
    """A head as a function of its own coordinates: mm, RAS, origin at the centre of the brain.

    Attributes
    ----------
    tissues
        What its labels mean.
    bounds
        Lowest and highest corner of the box that holds it, mm.
    outside
        Susceptibility of what surrounds it, ppm.
    """

    tissues: TissueTable
    outside: float
    bounds: tuple[tuple[float, ...], tuple[float, ...]]

    def labels_at(self, points: torch.Tensor) -> torch.Tensor:
        """Labels, uint8 (...), at `points` (..., 3)."""

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        """Noise of SD 1, (...), at `points` (..., 3)."""


@dataclass(frozen=True)
class Sample:
    """What the voxels of a grid hold; every tensor is (X, Y, Z).

    Attributes
    ----------
    chi
        Mean susceptibility, ppm.
    m0
        Mean magnitude at TE 0.
    r2star
        Mean R2* weighted by m0, 1/s.
    brain
        Share of the voxel that is brain, 0..1.
    brain_chi
        Susceptibility of the brain's share, times that share, ppm.
    labels
        Label of most of the voxel, uint8.
    """

    chi: torch.Tensor
    m0: torch.Tensor
    r2star: torch.Tensor
    brain: torch.Tensor
    brain_chi: torch.Tensor
    labels: torch.Tensor

    def crop(self, kept: tuple[slice, ...]) -> Sample:
        """The part `kept` of the grid."""
        return Sample(**{item.name: getattr(self, item.name)[kept].contiguous() for item in fields(self)})


def sample_head(
    head: Head,
    affine: np.ndarray,
    shape: Sequence[int],
    pose: np.ndarray,
    *,
    b0: float = 3.0,
    supersample: int = 2,
    device: torch.device | str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> Sample:
    """Look at the head at `supersample`^3 points in every voxel and average.

    Parameters
    ----------
    head
        Function of head coordinates.
    affine, shape
        Grid in scanner coordinates, mm.
    pose
        4x4, head coordinates to scanner coordinates.
    b0
        T, for R2*.
    supersample
        Points an axis.
    progress
        Called with the share of the work done since the last call.

    Returns
    -------
    Sample
        On `device`. Beyond the result memory is bounded: slabs of about half a million points are taken at a time.
    """
    x, y, z = (int(n) for n in shape)
    to_head = np.linalg.inv(pose) @ affine
    linear = torch.tensor(to_head[:3, :3], dtype=torch.float32, device=device)
    offset = torch.tensor(to_head[:3, 3], dtype=torch.float32, device=device)
    inner = (torch.arange(supersample, device=device) + 0.5) / supersample - 0.5
    inside_voxel = torch.cartesian_prod(inner, inner, inner) @ linear.T
    columns = {
        "chi": head.tissues.column("chi", device),
        "m0": head.tissues.column("m0", device),
        "brain": head.tissues.column("brain", device),
        "texture": head.tissues.column("texture", device),
        "r2star": head.tissues.r2star(b0, device),
    }
    plane = torch.cartesian_prod(torch.arange(y, device=device), torch.arange(z, device=device)).to(torch.float32)
    parts: list[Sample] = []
    thick = max(1, _CHUNK // (y * z * supersample**3))
    for first in range(0, x, thick):
        slabs = torch.arange(first, min(first + thick, x), device=device, dtype=torch.float32)
        centres = (slabs[:, None, None] * linear[:, 0] + plane @ linear[:, 1:].T + offset).reshape(-1, 3)
        parts.append(_average(head, centres, inside_voxel, columns, (len(slabs), y, z)))
        if progress is not None:
            progress(len(slabs) / x)
    return Sample(**{item.name: torch.cat([getattr(part, item.name) for part in parts]) for item in fields(Sample)})


def _average(
    head: Head, centres: torch.Tensor, inside_voxel: torch.Tensor, columns: dict[str, torch.Tensor], shape: Size
) -> Sample:
    """Averages over the points centre + inside_voxel of each voxel of a slab."""
    points = centres[None] + inside_voxel[:, None]
    labels = head.labels_at(points)
    index = labels.int()
    m0, brain = columns["m0"][index], columns["brain"][index]
    chi = columns["chi"][index]
    grain = columns["texture"][index]
    rough = grain > 0
    chi[rough] += grain[rough] * head.texture_at(points[rough])
    mean_m0 = m0.mean(0)
    decay = (m0 * columns["r2star"][index]).mean(0) / mean_m0.clamp_min(1e-6)
    majority = labels[0].clone()
    mixed = (labels != labels[0]).any(0)
    majority[mixed] = labels[:, mixed].mode(0).values
    return Sample(
        chi=chi.mean(0).reshape(shape),
        m0=mean_m0.reshape(shape),
        r2star=decay.reshape(shape),
        brain=brain.mean(0).reshape(shape),
        brain_chi=(brain * chi).mean(0).reshape(shape),
        labels=majority.reshape(shape),
    )


def solid_points(head: Head, *, step: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Where the head is: points of a coarse lattice that are not like its surroundings, and which of them are brain.

    Parameters
    ----------
    step
        Distance of the points, mm.

    Returns
    -------
    points
        float64 (N, 3), head coordinates, mm.
    brain
        bool (N,).
    """
    axes = [torch.arange(a, b + step, step) for a, b in zip(*head.bounds, strict=True)]
    points = torch.cartesian_prod(*axes)
    labels = head.labels_at(points).int()
    void_chi = torch.tensor(head.outside)
    void = (head.tissues.column("chi")[labels] == void_chi) & (head.tissues.column("m0")[labels] == 0)
    brain = head.tissues.column("brain")[labels] > 0
    return points[~void].numpy().astype(np.float64), brain[~void].numpy()


def brain_box(head: Head, turn: np.ndarray | None = None, *, step: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates of the brain, mm, from points `step` mm apart.

    Parameters
    ----------
    turn
        Rotation, 3x3: whose columns are the axes, in head coordinates, along which they are measured.
    """
    points, brain = solid_points(head, step=step)
    along = points[brain] if turn is None else points[brain] @ turn
    return along.min(0), along.max(0)
