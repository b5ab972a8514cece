"""The head that methods are measured on: fields with their truth, procedural or of the user's labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from qsmflow.phantom.acquisition import brain_sources, total_and_local_field
from qsmflow.phantom.head import ProceduralHead
from qsmflow.phantom.labels import read_labels
from qsmflow.phantom.sampling import Head, brain_box, sample_head
from qsmflow.phantom.tissues import read_tissues

#: SD of the noise of the field, ppm.
NOISE = 0.002


@dataclass(frozen=True)
class TestHead:
    """Volumes (X, Y, Z) on one grid; B0 along z.

    Attributes
    ----------
    chi, local, total, noisy
        ppm: susceptibility of the brain without its mean; field of the brain alone; of the whole head; `local` plus
        noise.
    magnitude
        At an echo time of 15 ms, arbitrary units.
    mask
        Brain, bool.
    voxel_size
        mm.
    """

    chi: torch.Tensor
    local: torch.Tensor
    total: torch.Tensor
    noisy: torch.Tensor
    magnitude: torch.Tensor
    mask: torch.Tensor
    voxel_size: tuple[float, float, float]

    def save(self, path: Path) -> None:
        """Write all of it to one file."""
        torch.save(asdict(self), path)

    @classmethod
    def load(cls, path: Path, device: str) -> TestHead:
        """Read what `save` wrote."""
        return cls(**torch.load(path, map_location=device))


def make_head(
    shape: tuple[int, int, int],
    voxel: float,
    *,
    labels: Path | None = None,
    chi: Path | None = None,
    brain: Path | None = None,
) -> TestHead:
    """A head in the middle of a grid of `shape` and isotropic voxels of `voxel` mm: procedural, or of a label map."""
    head: Head = ProceduralHead(0)
    if labels is not None:
        head = read_labels(labels, read_tissues(chi or "head"), brain=brain)
    low, high = brain_box(head)
    middle, size = (low + high) / 2, high - low + 3.0
    if (size > voxel * np.array(shape)).any():
        raise ValueError(
            f"a brain of {np.round(size)} mm does not fit {shape} voxels of {voxel} mm; give larger voxels"
        )
    grid = np.diag([voxel, voxel, voxel, 1.0])
    # the kept grid and all of the head about it: air, bone and neck beyond it make their field too
    first = middle - voxel * (np.array(shape) - 1) / 2
    low, high = (np.array(edge) for edge in head.bounds)
    before = np.ceil((first - low).clip(0) / voxel).astype(int)
    after = np.ceil((high - first - voxel * (np.array(shape) - 1)).clip(0) / voxel).astype(int)
    grid[:3, 3] = first - voxel * before
    sample = sample_head(head, grid, before + shape + after, np.eye(4))
    kept = tuple(slice(skipped, skipped + n) for skipped, n in zip(before.tolist(), shape, strict=True))
    total, local = (field[kept] for field in total_and_local_field(sample, (voxel,) * 3, (0.0, 0.0, 1.0), head.outside))
    sample = sample.crop(kept)
    mask = sample.brain > 0.5
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return TestHead(
        chi=(brain_sources(sample) * mask).contiguous(),
        local=local.contiguous(),
        total=total.contiguous(),
        noisy=(local + NOISE * noise) * mask,
        magnitude=sample.m0 * torch.exp(-0.015 * sample.r2star),
        mask=mask,
        voxel_size=(voxel, voxel, voxel),
    )
