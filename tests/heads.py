"""Magnitudes of heads with a known brain: of ellipsoids, and of the label map rc2_head."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import torch


def ellipsoid(grid: np.ndarray, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    """Points of `grid` (3, X, Y, Z), mm, inside."""
    at = (np.moveaxis(grid, 0, -1) - centre) / radii
    return np.square(at).sum(-1) < 1


def head(
    voxel_size: tuple[float, float, float] = (2.0, 2.0, 2.0), *, scalp: bool = True, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shaded, noisy magnitude of brain, skull, scalp and neck, and the brain."""
    shape = [round(n / v) for n, v in zip((176, 208, 208), voxel_size, strict=True)]
    grid = np.stack(np.meshgrid(*(v * np.arange(n) for n, v in zip(shape, voxel_size, strict=True)), indexing="ij"))
    centre = (88.0, 104.0, 120.0)
    brain = ellipsoid(grid, centre, (64, 80, 60))
    fluid = ellipsoid(grid, centre, (66.5, 82.5, 62.5))
    skull = ellipsoid(grid, centre, (74, 90, 70))
    skin = ellipsoid(grid, centre, (81, 97, 77)) | ellipsoid(grid, (88, 90, 20), (50, 50, 60))
    stem = ellipsoid(grid, (88, 90, 55), (13, 13, 30))
    image = np.where(
        brain, 0.7, np.where(stem, 0.7, np.where(fluid, 0.5, np.where(skull, 0.04, np.where(skin, 0.8, 0.0))))
    )
    image[ellipsoid(grid, (88, 104, 125), (10, 30, 12))] = 0.45
    image *= 1 + 0.4 * np.sin((grid[0] - 60) / 60) * np.cos((grid[1] - 80) / 70)
    if not scalp:
        return torch.from_numpy((image * brain).astype(np.float32)), torch.from_numpy(brain)
    noise = 0.02 * np.random.default_rng(seed).standard_normal((2, *shape))
    return torch.from_numpy(np.hypot(image + noise[0], noise[1]).astype(np.float32)), torch.from_numpy(brain)


#: Signal of the labels of rc2_head at 3 T: proton density and T1 weighting, and T2* in s.
SIGNALS = {
    **dict.fromkeys((1, 3, 7), (0.78, 0.036)),
    **dict.fromkeys((2, 4, 5, 6), (0.75, 0.023)),
    8: (0.7, 0.05),
    9: (0.8, 0.045),
    10: (0.5, 0.3),
    11: (0.6, 0.02),
    13: (0.05, 1.0),
    15: (0.8, 0.03),
}


def rc2_head(
    data: Path,
    affine: np.ndarray,
    shape: tuple[int, int, int],
    pose: np.ndarray | None = None,
    *,
    te: float = 0.01,
    noise: float = 0.0175,
    seed: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Magnitude and brain mask on a grid, of the head moved by `pose` (4, 4), world mm, the coil's shading unmoved.

    Labels are looked up at 8 points a voxel and their signals averaged: no interpolation leaks from pose to pose.
    """
    labels = np.asarray(nib.load(data / "rc2_head" / "SegmentedModel.nii.gz").dataobj).astype(np.uint8)
    inside = np.asarray(nib.load(data / "rc2_head" / "BrainMask.nii.gz").dataobj) > 0
    signal = np.zeros(17, dtype=np.float32)
    for label, (density, t2star) in SIGNALS.items():
        signal[label] = density * np.exp(-te / t2star)
    to_label = np.diag([1 / 0.64] * 3 + [1]) @ np.linalg.inv(np.eye(4) if pose is None else pose) @ affine
    voxel = np.indices(shape, dtype=np.float32)
    image, brain = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    for shift in itertools.product((-0.25, 0.25), repeat=3):
        moved = to_label[:3, 3] + to_label[:3, :3] @ np.array(shift)
        at = np.rint(
            np.einsum("ij,jxyz->ixyz", to_label[:3, :3].astype(np.float32), voxel) + moved[:, None, None, None]
        )
        within = np.all((at >= 0) & (at < np.array(labels.shape)[:, None, None, None]), axis=0)
        at = tuple(np.where(within, at, 0).astype(np.int32))
        image += within * signal[labels[at]] / 8
        brain += within * inside[at] / 8
    x, y, z = (affine[:3, :3].astype(np.float32) @ voxel.reshape(3, -1)).reshape(3, *shape) + affine[
        :3, 3, None, None, None
    ]
    image *= 1 + 0.28 * np.sin((x - 30) / 75) * np.cos((y - 130) / 80) + 0.2 * np.sin((z - 80) / 70)
    scatter = noise * np.random.default_rng(seed).standard_normal((2, *shape))
    return torch.from_numpy(np.hypot(image + scatter[0], scatter[1]).astype(np.float32)), torch.from_numpy(brain > 0.5)


def dice(a: torch.Tensor, b: torch.Tensor) -> float:
    """Overlap of two masks."""
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))
