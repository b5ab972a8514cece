"""A head given as a label map: the same interface as the procedural head."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from qsmflow.errors import InputError
from qsmflow.phantom.lattice import random_function
from qsmflow.phantom.tissues import TissueTable

if TYPE_CHECKING:
    import nibabel

#: Wavelength of the susceptibility texture within tissues, mm.
TEXTURE_WAVELENGTH = 4.0
#: Labels of the copies that `brain` makes start here.
_OUTSIDE = 128


class LabelHead:
    """A head whose tissues are read from a label map, nearest voxel.

    Below the map its lowest plane goes on, for a neck does not end there; beyond its other faces is what fills most of
    its highest plane.

    Head coordinates are mm along the axes of the map turned to RAS, with the origin at the centre of the brain.

    Parameters
    ----------
    labels
        Integer, (X, Y, Z), axes to right, anterior, superior.
    voxel_size
        mm.
    tissues
        Must know every label.
    seed
        Of the texture.

    Raises
    ------
    ValueError
        A label is not in `tissues`, or no label belongs to the brain.
    """

    def __init__(
        self, labels: torch.Tensor, voxel_size: tuple[float, float, float], tissues: TissueTable, seed: int = 0
    ):
        missing = tissues.missing(labels)
        if missing:
            raise ValueError(f"labels {', '.join(map(str, missing))} are not in the tissue table")
        inside = tissues.column("brain", labels.device)[labels.long()] > 0
        if not bool(inside.any()):
            raise ValueError("no label belongs to the brain")
        self.tissues = tissues
        self._labels = labels.to(torch.uint8)
        self._around = self._labels[:, :, -1].flatten().mode().values
        self.outside = float(tissues.column("chi")[int(self._around)])
        self._voxel_size = torch.tensor(voxel_size, dtype=torch.float32, device=labels.device)
        where = [torch.nonzero(inside.any(dim=drop)).squeeze(-1) for drop in ((2, 1), (2, 0), (1, 0))]
        middle = torch.stack([0.5 * (w[0] + w[-1]).to(torch.float32) for w in where])
        self._origin = -middle * self._voxel_size
        last = self._origin + self._voxel_size * (torch.tensor(labels.shape, device=labels.device) - 1)
        low, high = self._origin.tolist(), last.tolist()
        self.bounds = (tuple(low), tuple(high))
        generator = torch.Generator().manual_seed(seed)
        self._texture = random_function(low, high, TEXTURE_WAVELENGTH, generator, device=labels.device)

    def labels_at(self, points: torch.Tensor) -> torch.Tensor:
        """Label at each of `points` (..., 3) in mm: uint8, (...)."""
        index = ((points - self._origin) / self._voxel_size).round().long()
        last = torch.tensor(self._labels.shape, device=points.device) - 1
        kept = torch.minimum(index.clamp_min(0), last)
        found = self._labels[kept[..., 0], kept[..., 1], kept[..., 2]]
        index[..., 2].clamp_min_(0)
        return torch.where((index == kept).all(-1), found, self._around)

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        """Smooth noise of SD 1 at `points` (..., 3) in mm, to be scaled by the texture of the tissue."""
        return self._texture.on(points)


def read_labels(
    path: Path,
    tissues: TissueTable,
    *,
    brain: Path | None = None,
    table: Path | str = "the tissue table",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> LabelHead:
    """Read a label map as a head.

    Parameters
    ----------
    path
        NIfTI, integers 0..255; its affine gives voxel size and orientation, its offsets are not used.
    tissues
        Must know every label of the map.
    brain
        NIfTI on the same grid: a tissue of the brain counts as brain only where this mask is not zero.
    table
        What to call the tissue table in messages.

    Raises
    ------
    InputError
        A file cannot be read, is not a 3-D map of whole numbers, does not fit the other, or has an unknown label.
    """
    image, values = _read(path)
    if values.min() < 0 or values.max() > 255 or not np.array_equal(values, np.round(values)):
        raise InputError(f"{path}: labels must be whole numbers in 0..255; give a label map")
    labels = torch.from_numpy(np.ascontiguousarray(values, dtype=np.uint8))
    if brain is not None:
        inside = _read(brain)[1]
        if inside.shape != values.shape:
            raise InputError(f"{brain}: shape {inside.shape} is not that of {path}; give a mask on its grid")
        labels, tissues = _restrict_brain(labels, torch.from_numpy(np.ascontiguousarray(inside > 0)), tissues)
    x, y, z = (float(size) for size in image.header.get_zooms()[:3])
    try:
        return LabelHead(labels.to(device), (x, y, z), tissues, seed)
    except ValueError as error:
        raise InputError(f"{path}: {error}; add them to {table}") from error


def _read(path: Path) -> tuple[nibabel.Nifti1Image, np.ndarray]:
    import nibabel

    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))
        values = np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, nibabel.filebasedimages.ImageFileError) as error:
        raise InputError(f"{path}: not a readable NIfTI image ({error}); check the file") from error
    if values.ndim != 3 or min(values.shape) < 2:
        raise InputError(f"{path}: shape {values.shape} is not a volume; give a 3-D image")
    return image, values


def _restrict_brain(
    labels: torch.Tensor, inside: torch.Tensor, tissues: TissueTable
) -> tuple[torch.Tensor, TissueTable]:
    """Give the brain tissues outside the mask labels of their own that are not brain."""
    copies = [
        dataclasses.replace(tissue, label=tissue.label + _OUTSIDE, name=f"{tissue.name}, outside the mask", brain=False)
        for tissue in tissues.tissues
        if tissue.brain and tissue.label < _OUTSIDE
    ]
    of_brain = tissues.column("brain")[labels.long()] > 0
    moved = torch.where(of_brain & ~inside & (labels < _OUTSIDE), labels + _OUTSIDE, labels)
    return moved, TissueTable((*tissues.tissues, *copies))
