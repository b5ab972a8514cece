"""Maps of the orientations of a measured head in one frame, by the transforms of the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from qsmflow.core.registration import resample
from qsmflow.interfaces.transforms import read_itk
from qsmflow.nets.upright import Upright
from qsmflow.reports.collect import collect

from .measured import orientations_of
from .study import Varied


@dataclass(frozen=True)
class Move:
    """From the voxels of an orientation to those of the reference of its head; both with axes near right, front, up.

    Attributes
    ----------
    affine, reference
        Of the files of the two, 4x4, mm.
    transform
        From world points of the reference to those of the orientation, 4x4, mm.
    shape
        Of the file of the reference.
    """

    affine: np.ndarray
    transform: np.ndarray
    reference: np.ndarray
    shape: tuple[int, ...]

    def bring(self, chi: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
        """A map, (X, Y, Z), zero outside its mask, in the voxels of the reference, and a grid, 4x4, of their size."""
        stored, upright = Upright.of(self.affine).back(chi), Upright.of(self.reference)
        grids = (self.affine, self.transform, self.reference, self.shape)
        brought = torch.where(resample(stored != 0, *grids), resample(stored, *grids), 0.0)
        x, y, z = (float(size) for size in np.linalg.norm(self.reference[:3, :3], axis=0))
        return upright.turn(brought).contiguous(), np.diag([*upright.sizes((x, y, z)), 1.0])


def moves(problem: Varied) -> dict[str, Move]:
    """How the orientations of the head of a `Listed` come to its reference; none where no transform ties them."""
    files = orientations_of(problem)
    subject = str(problem["head"]).partition("_")[0].removeprefix("sub-")
    for head in collect(Path(str(problem["data"])), subject):
        tied = {one.name: one for one in head.series if one.name in files}
        reference = next((name for name, one in tied.items() if one.label == head.reference), None)
        if reference is not None:
            to = nib.load(files[reference].field)
            ways = {label: read_itk(found.path) for label, found in head.transforms.items()}
            ways[tied[reference].label] = np.eye(4)
            return {
                name: Move(nib.load(files[name].field).affine, ways[one.label], to.affine, to.shape)
                for name, one in tied.items()
                if one.label in ways
            }
    return {}
