"""Heads in several orientations, with COSMOS in each: simulated, or of a user's own run of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import torch

from qsmflow.bids.naming import OUTPUTS, sidecar_path
from qsmflow.bids.sidecars import read_json
from qsmflow.core.inversion import cosmos
from qsmflow.errors import InputError
from qsmflow.nets.upright import Upright
from qsmflow.phantom.tissues import read_tissues
from qsmflow.reports.regions import region_names
from qsmflow.training.cosmos import Labelled, labelled

from .problems import ORIENTATIONS, Problem, Vector, turned
from .study import Varied

#: Of simulated heads.
NUCLEI = {tissue.label: tissue.name for tissue in read_tissues("head").tissues if tissue.label <= 6}


@dataclass(frozen=True)
class Orientation:
    """A local field and what it is held against.

    Attributes
    ----------
    problem
        Its truth is COSMOS where the head is measured.
    cosmos
        In the same voxels, ppm, (X, Y, Z).
    regions
        Names of labels of the problem.
    """

    problem: Problem
    cosmos: torch.Tensor
    regions: Mapping[int, str]


def simulated(straight: Problem) -> dict[str, Orientation]:
    """A head in the `ORIENTATIONS`, in the same voxels, and COSMOS of their noisy fields."""
    problems = [turned(straight, angles).with_seed(number) for number, angles in enumerate(ORIENTATIONS, start=1)]
    fields = torch.stack([one.field for one in problems])
    weights = straight.mask.to(fields.dtype).expand_as(fields)
    made = torch.where(
        straight.mask, cosmos(fields, weights, straight.voxel_size, [one.b0_dir for one in problems])[0], 0
    )
    return {str(number): Orientation(one, made, NUCLEI) for number, one in enumerate(problems, start=1)}


def heads(folder: Path) -> dict[str, dict[str, Labelled]]:
    """Every head of an output of `qsmflow run` that has COSMOS, and its orientations by name."""
    found: dict[str, dict[str, Labelled]] = {}
    for one in labelled(folder):
        head = "_".join(part for part in Path(one.head).relative_to(folder).parts if "-" in part)
        found.setdefault(head, {})[one.chi.name.partition("_desc-")[0]] = one
    return found


class Listed(NamedTuple):
    """A measured head as cases have it.

    Attributes
    ----------
    problem
        What its cases share.
    orientations
        Their names.
    files
        Of all of them: whatever is read of them, since results are kept by it.
    weighted
        Whether all have a magnitude.
    """

    problem: Varied
    orientations: tuple[str, ...]
    files: tuple[Path, ...]
    weighted: bool


def listed(folder: Path) -> list[Listed]:
    """Every head of `heads`, for cases; `orientations_of` reads what their problem names."""
    found = []
    for head, orientations in heads(folder).items():
        files = [file for one in orientations.values() for file in _files(one)]
        problem = {"head": head, "data": str(folder)}
        weighted = all(magnitude_of(one) for one in orientations.values())
        found.append(Listed(problem, tuple(orientations), tuple(files), weighted))
    return found


def orientations_of(problem: Varied) -> dict[str, Labelled]:
    """The orientations of the head that the problem of a `Listed` names."""
    return heads(Path(str(problem["data"])))[str(problem["head"])]


def magnitude_of(one: Labelled) -> Path | None:
    """The magnitude beside a local field; None where there is none."""
    return _beside(one.field, f"_{OUTPUTS['magnitude'].suffix}.nii.gz")


def regions_of(one: Labelled) -> Path | None:
    """The regions beside COSMOS; None where there are none."""
    return _beside(one.chi, f"_desc-{OUTPUTS['rois'].desc}_{OUTPUTS['rois'].suffix}.nii.gz")


def _beside(path: Path, ending: str) -> Path | None:
    found = path.with_name(path.name.partition("_desc-")[0] + ending)
    return found if found.is_file() else None


def _files(one: Labelled) -> list[Path]:
    """What `read` reads of an orientation."""
    regions = regions_of(one)
    maybe = (magnitude_of(one), regions, regions and sidecar_path(regions))
    return [one.field, one.sidecar, one.mask, one.chi, *(path for path in maybe if path and path.is_file())]


def read(one: Labelled) -> Orientation:
    """An orientation of a measured head; its axes are laid near right, front and up.

    Raises
    ------
    InputError
        The files are not on one grid, or the local field has numbers in its mask that are not finite.
    """
    image = nib.load(one.field)
    upright = Upright.of(image.affine)
    field, mask, chi = (_volume(path, image, upright) for path in (one.field, one.mask, one.chi))
    path = magnitude_of(one)
    known = (mask > 0.5) & (chi != 0)
    if not bool(known.any()) or not bool(torch.isfinite(field[known]).all()):
        raise InputError(f"{one.field}: nowhere known, or not finite in its mask; run `qsmflow run` again")
    x, y, z = (float(size) for size in image.header.get_zooms()[:3])
    affine = _affine(upright.sizes((x, y, z)), upright.direction(one.b0_dir))
    field, chi = (torch.where(known, volume, 0.0) for volume in (field, chi))
    magnitude = known.float() if path is None else _volume(path, image, upright)
    regions = regions_of(one)
    labels = (torch.zeros_like(field) if regions is None else _volume(regions, image, upright)).round().int()
    names = {} if regions is None else _names(regions, labels)
    return Orientation(Problem(field, chi, known, labels, magnitude, affine, measured=True), chi, names)


def _names(regions: Path, labels: torch.Tensor) -> dict[int, str]:
    """What the sidecar of a label map calls its regions; those that it does not name go by their numbers."""
    sidecar = sidecar_path(regions)
    names = region_names(read_json(sidecar) if sidecar.is_file() else {})
    return {label: names.get(str(label), str(label)) for label in labels.unique().tolist() if label}


def _volume(path: Path, like: nib.Nifti1Image, upright: Upright) -> torch.Tensor:
    image = nib.load(path)
    if image.shape != like.shape or not np.allclose(image.affine, like.affine, atol=1e-3):
        raise InputError(f"{path}: its grid is not that of the local field; run `qsmflow run` again")
    return upright.turn(torch.from_numpy(image.get_fdata(dtype=np.float32))).contiguous()


def _affine(voxel_size: Vector, b0_dir: Sequence[float]) -> np.ndarray:
    """A grid in which B0 has that direction, and the scanner's first axis is near its first, or its second."""
    up = np.array(b0_dir) / np.linalg.norm(b0_dir)
    # along B0 nothing of an axis is left across it
    axis = int(abs(up[0]) > 0.9)
    right = np.eye(3)[axis] - up[axis] * up
    right /= np.linalg.norm(right)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([right, np.cross(up, right), up]) * np.array(voxel_size)
    return affine
