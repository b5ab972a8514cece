"""COSMOS labels of a `qsmflow run` output: local fields of every orientation, and COSMOS turned into each."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError

from qsmflow.bids.naming import OUTPUTS, sidecar_path
from qsmflow.core.dipole import forward_field
from qsmflow.core.registration.resample import resample
from qsmflow.errors import InputError
from qsmflow.nets.card import Card
from qsmflow.nets.frame import Frame
from qsmflow.nets.upright import Upright
from qsmflow.phantom.pose import rotation

from .draws import Draws
from .scene import Scene, Vector

#: ppm: no local field of a head has half of its voxels beyond it.
_MEDIAN = 0.25
#: Share of the mask that may be beyond the largest field of the card.
_BEYOND = 1e-3


@dataclass(frozen=True)
class Labelled:
    """The files of one orientation of one head.

    Attributes
    ----------
    field, mask, chi
        Local field, ppm; where it is valid; COSMOS in its frame, ppm.
    b0_dir
        In voxel axes.
    sidecar
        Where `b0_dir` stands.
    """

    field: Path
    mask: Path
    chi: Path
    b0_dir: Vector
    sidecar: Path

    @property
    def head(self) -> str:
        """Which head it is: subject and session."""
        return str(self.chi.parents[1])


def labelled(folder: Path) -> list[Labelled]:
    """Every orientation under `folder`, the output of `qsmflow run`, that has a COSMOS label.

    Raises
    ------
    InputError
        There is none, or one lacks its local field, its mask or its direction of B0.
    """
    ending = f"_desc-cosmos_{OUTPUTS['cosmos'].suffix}.nii.gz"
    found = []
    for chi in sorted(Path(folder).glob(f"sub-*/**/*{ending}")):
        stem = chi.name.removesuffix(ending)
        if "_space-" in stem:
            continue  # the label in the frame of the reference, of which there is no field
        field = chi.parents[1] / "fmap" / f"{stem}_desc-local_fieldmap.nii.gz"
        mask = chi.with_name(f"{stem}_desc-local_mask.nii.gz")
        for path in (field, mask):
            if not path.is_file():
                raise InputError(f"{path}: no such file, but {chi.name} is a label of it; run `qsmflow run` again")
        maps = chi.parent.glob(f"{stem}_desc-*_{OUTPUTS['cosmos'].suffix}.json")
        found.append(Labelled(field, mask, chi, *_direction([sidecar_path(field), *sorted(maps)])))
    if not found:
        raise InputError(
            f"{folder}: no COSMOS label (*{ending}); give the output of a `qsmflow run` on several orientations"
        )
    return found


def load(files: Labelled, card: Card) -> Scene:
    """One orientation as inference would show it: its local field and COSMOS, where both are known.

    Its axes are laid upright, and with a fixed frame B0 along the third of them, in voxels of the card.

    Raises
    ------
    InputError
        A file cannot be read, the three are not on one grid, nothing is known of any voxel, or the field has numbers
        that are not finite or hardly in ppm.
    """
    image = _image(files.field)
    upright = Upright.of(image.affine)
    field, mask, chi = (upright.turn(_volume(path, image)) for path in (files.field, files.mask, files.chi))
    known = (mask > 0.5) & (chi != 0)
    for path, volume in ((files.field, field), (files.chi, chi)):
        _refuse(path, volume[known], card.largest)
    dx, dy, dz = (float(d) for d in image.header.get_zooms()[:3])
    voxel_size, b0_dir = upright.sizes((dx, dy, dz)), upright.direction(files.b0_dir)
    if card.frame == "fixed":
        frame = Frame.about(known, voxel_size, b0_dir, card.voxel_size)
        known, field, chi = frame.mask, frame.enter(field), frame.enter(chi)
        voxel_size, b0_dir = frame.size, (0.0, 0.0, 1.0)
    return _scene(torch.where(known, field, 0.0), known, torch.where(known, chi, 0.0), voxel_size, b0_dir)


def turned(scene: Scene, draw: Draws, largest: float = 30.0) -> Scene:
    """A scene as if the head had been turned by up to `largest` degrees about each axis of the voxel grid.

    COSMOS and mask are turned, and the field is that of the turned COSMOS in B0 as it was: the augmentation of QSMnet.
    """
    linear = rotation([draw.between(-largest, largest) for _ in range(3)])
    shape = scene.mask.shape
    grid = np.diag([*scene.voxel_size, 1.0])
    grid[:3, 3] = -0.5 * np.array(scene.voxel_size) * (np.array(shape) - 1)
    turn = np.eye(4)
    turn[:3, :3] = linear
    mask = resample(scene.mask, grid, turn, grid, shape)
    chi = torch.where(mask, resample(scene.chi, grid, turn, grid, shape), 0.0)
    field = torch.where(mask, forward_field(chi, scene.voxel_size, scene.b0_dir), 0.0)
    return _scene(field, mask, chi, scene.voxel_size, scene.b0_dir)


def _scene(field: torch.Tensor, mask: torch.Tensor, chi: torch.Tensor, voxel_size: Vector, b0_dir: Vector) -> Scene:
    """Noise is what is added to a field; of the measured one's own nothing is known."""
    return Scene(field, mask, torch.zeros_like(field), mask.float(), field, chi, voxel_size, b0_dir)


def _image(path: Path) -> nib.Nifti1Image:
    try:
        image = nib.load(path)
        image.get_fdata(dtype=np.float32)  # which the image keeps
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `qsmflow run` again") from error
    return image


def _refuse(path: Path, values: torch.Tensor, largest: float) -> None:
    """Refuse a map, `values` in the mask, that no network can learn from."""
    if not len(values):
        raise InputError(f"{path}: no voxel has both mask and label; run `qsmflow run` again, or take this head out")
    if not bool(torch.isfinite(values).all()):
        raise InputError(f"{path}: numbers in the mask are not finite; run `qsmflow run` again, or take this head out")
    beyond, median = float((values.abs() > largest).float().mean()), float(values.abs().median())
    if beyond > _BEYOND or median > _MEDIAN:
        raise InputError(
            f"{path}: hardly in ppm (half of the mask is beyond {median:.3g}, and {100 * beyond:.2g} % beyond "
            f"data.largest x data.scale = {largest:g}); give ppm, or raise data.largest"
        )


def _volume(path: Path, like: nib.Nifti1Image) -> torch.Tensor:
    image = _image(path)
    same = image.shape == like.shape and np.allclose(image.affine, like.affine, atol=1e-3)
    if not same:
        raise InputError(f"{path}: its grid is not that of the local field; run `qsmflow run` again")
    return torch.from_numpy(image.get_fdata(dtype=np.float32))


def _direction(sidecars: list[Path]) -> tuple[Vector, Path]:
    """Direction of B0 and where it stands: the first of `sidecars` that has measured it."""
    for sidecar in sidecars:
        try:
            x, y, z = (float(part) for part in json.loads(sidecar.read_text())["Measured"]["B0Direction"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return (x, y, z), sidecar
    raise InputError(f"{sidecars[0]}: no B0Direction, nor in a sidecar of its inversions; run `qsmflow run` again")
