"""Between files and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError

from qsmflow.core.geometry import SAME_PLACE, b0_direction, grids_apart

#: Cosine of the angle between two axes of a voxel, above which they are not at right angles.
_SHEARED = 0.01


@dataclass(frozen=True)
class Volume:
    """An image.

    Attributes
    ----------
    data
        (X, Y, Z), or (E, X, Y, Z) of several volumes.
    affine
        Voxel to world mm.
    path
        The file, for messages.
    """

    data: torch.Tensor
    affine: np.ndarray
    path: str = "the data"

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Lengths of the voxel, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def b0_dir(self) -> tuple[float, float, float]:
        """Direction of B0 in voxel axes, as the affine has it."""
        return b0_direction(self.affine)

    @property
    def mask(self) -> torch.Tensor:
        """The data as a mask: bool, true above zero."""
        return self.data > 0

    def with_data(self, data: torch.Tensor) -> Volume:
        """The same grid with other `data`."""
        return replace(self, data=data)

    def finite(self) -> Volume:
        """The same with zero for what is NaN or Inf."""
        return self.with_data(torch.where(torch.isfinite(self.data), self.data, 0.0))

    def refuse_apart(self, grid: Volume) -> None:
        """Raise ValueError, naming the file, unless this lies on the voxels of `grid`, to a twentieth of one."""
        shape, wanted = tuple(self.data.shape[-3:]), tuple(grid.data.shape[-3:])
        if shape != wanted:
            raise ValueError(f"{self.path}: shape {shape} where {wanted} is needed; give both on one grid")
        apart = grids_apart(self.affine, grid.affine, shape)
        if apart > SAME_PLACE * min(grid.voxel_size):
            raise ValueError(
                f"{self.path}: its grid lies up to {apart:.3g} mm from that of the data; give both on one grid"
            )


def read_image(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of an image as they are stored, and its affine.

    Raises
    ------
    ValueError
        The file cannot be read, has fewer than three axes, or voxels whose axes are not at right angles.
    """
    try:
        image = nib.load(path)
        values, affine = np.asanyarray(image.dataobj), image.affine
    except (OSError, EOFError, ImageFileError) as error:
        raise ValueError(f"{path}: cannot be read as an image ({error}); make or copy it again") from error
    if values.ndim < 3:
        raise ValueError(f"{path}: {values.ndim} axes; an image of three is needed")
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.abs(axes.T @ axes - np.eye(3)).max() < _SHEARED:
        raise ValueError(f"{path}: the axes of its voxels are not at right angles; resample it")
    return values, affine


def load(path: str | Path) -> Volume:
    """Read one volume as float32.

    Raises
    ------
    ValueError
        As `read_image`; or there are several volumes, or complex numbers.
    """
    volume = load_echoes(path)
    if len(volume.data) > 1:
        raise ValueError(f"{path}: {len(volume.data)} volumes where one is needed; give one of them")
    return volume.with_data(volume.data[0])


def load_echoes(path: str | Path) -> Volume:
    """Read a 3-D or 4-D image as float32, (E, X, Y, Z): the echoes, the last axis of the file, come first.

    Further axes of one are left out.

    Raises
    ------
    ValueError
        As `read_image`; or there are more axes, or complex numbers.
    """
    values, affine = read_image(path)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if np.iscomplexobj(values):
        raise ValueError(f"{path}: its numbers are complex; give magnitude and phase as images of their own")
    if values.ndim > 4:
        raise ValueError(f"{path}: {values.ndim} axes; volumes along the fourth are the most that is read")
    values = values[..., None] if values.ndim == 3 else values
    data = np.ascontiguousarray(np.moveaxis(values, -1, 0), dtype=np.float32)
    return Volume(torch.from_numpy(data), affine, str(path))


def load_like(path: str | Path, grid: Volume, *, echoes: bool = False) -> Volume:
    """`load` of a volume that must lie on the voxels of `grid`; with `echoes` `load_echoes`, one volume for each of it.

    Raises
    ------
    ValueError
        The shapes differ, or the grids lie apart by more than a twentieth of a voxel.
    """
    volume = load_echoes(path) if echoes else load(path)
    if echoes and len(volume.data) != len(grid.data):
        raise ValueError(f"{path}: {len(volume.data)} volumes, but {len(grid.data)} in {grid.path}; give one for each")
    volume.refuse_apart(grid)
    return volume


def load_magnitude(
    path: str | Path, grid: Volume, mask: torch.Tensor, *, echoes: bool = False, what: str = "magnitude"
) -> torch.Tensor:
    """The data of `load_like`, a magnitude or `what` else is above zero; what is not finite outside `mask` is zero.

    Raises
    ------
    ValueError
        As `load_like`; or in the mask something is NaN, Inf or negative, or everything zero.
    """
    volume = load_like(path, grid, echoes=echoes)
    _refuse_bad(volume, mask, "the mask")
    data = volume.finite().data
    inside = data[..., mask]
    if float(inside.min()) < 0:
        raise ValueError(f"{path}: {int((inside < 0).sum())} voxels in the mask are negative; give a {what}")
    if not bool(inside.any()):
        raise ValueError(f"{path}: zero all over the mask; give the {what} of these data")
    return data


def load_mask(path: str | Path, grid: Volume) -> torch.Tensor:
    """A mask on the voxels of `grid`, bool, (X, Y, Z): true above zero.

    Raises
    ------
    ValueError
        As `load_like`; or the mask is empty, holds NaN or fractions, or `grid` has NaN or Inf in it.
    """
    volume = load_like(path, grid)
    mask = as_mask(volume)
    _refuse_bad(grid, mask, f"the mask {path}")
    return mask


def as_labels(volume: Volume) -> torch.Tensor:
    """The data of `volume` as labels, int32.

    Raises
    ------
    ValueError
        It holds fractions or numbers below zero.
    """
    labels = volume.data.round()
    if bool((labels < 0).any()) or not bool(torch.equal(volume.data, labels)):
        raise ValueError(f"{volume.path}: labels are whole numbers from 0, and these are not; resample by the nearest")
    return labels.int()


def as_mask(volume: Volume) -> torch.Tensor:
    """The data of `volume` as a mask, bool.

    Raises
    ------
    ValueError
        It is empty, or holds NaN or fractions.
    """
    if not bool(torch.equal(volume.data, volume.data.round())):
        raise ValueError(f"{volume.path}: a mask has whole numbers, and these are not; threshold it")
    if not bool(volume.mask.any()):
        raise ValueError(f"{volume.path}: the mask is empty; give the mask of the brain")
    return volume.mask


def load_masks(paths: Sequence[str | Path], grid: Volume) -> torch.Tensor:
    """`load_mask` of a file for each volume of `grid`, bool, (N, X, Y, Z).

    Raises
    ------
    ValueError
        As `load_mask`; or not as many masks as volumes.
    """
    if len(paths) != len(grid.data):
        raise ValueError(f"{len(paths)} masks of {len(grid.data)} volumes; give one file for each")
    return torch.stack([load_mask(path, grid.with_data(one)) for path, one in zip(paths, grid.data, strict=True)])


def load_stack(paths: Sequence[str | Path]) -> Volume:
    """Several 3-D files of one grid as (N, X, Y, Z); a single 4-D file is taken as it is.

    Raises
    ------
    ValueError
        As `load_echoes`; or a file is not on the voxels of the first.
    """
    volumes = [load_echoes(path) for path in paths]
    for volume in volumes[1:]:
        volume.refuse_apart(volumes[0])
    return volumes[0].with_data(torch.cat([volume.data for volume in volumes]))


def save(volume: Volume, path: str | Path) -> str:
    """Write `volume`: masks as uint8, labels as int32, the rest as float32, with units mm and s; returns the path.

    Of several volumes the file has four axes, of a single one three.
    """
    data = volume.data.detach().cpu().numpy()
    if data.ndim == 4:
        data = np.moveaxis(data, 0, -1) if len(data) > 1 else data[0]
    data = data.astype({"b": np.uint8, "i": np.int32}.get(data.dtype.kind, np.float32))
    image = nib.Nifti1Image(data, volume.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_sform(volume.affine, code=1)
    image.header.set_qform(volume.affine, code=1)
    nib.save(image, path)
    return str(path)


def _refuse_bad(volume: Volume, mask: torch.Tensor, where: str) -> None:
    bad = int((~torch.isfinite(volume.data[..., mask])).sum())
    if bad:
        raise ValueError(
            f"{volume.path}: {bad} voxels in {where} are NaN or Inf; mend them or take them out of the mask"
        )
