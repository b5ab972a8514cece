"""Between files and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from qsmflow.core.geometry import SAME_PLACE, grids_apart


@dataclass(frozen=True)
class Volume:
    """An image: `data` is (X, Y, Z), or (E, X, Y, Z) when the file is 4-D; `affine` is voxel to world mm."""

    data: torch.Tensor
    affine: np.ndarray

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Lengths of the voxel, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def mask(self) -> torch.Tensor:
        """The data as a mask: bool, true above zero."""
        return self.data > 0

    def with_data(self, data: torch.Tensor) -> Volume:
        """The same grid with other `data`."""
        return Volume(data, self.affine)


def load(path: str | Path) -> Volume:
    """Read a NIfTI file as float32; echoes, the last axis of the file, come first."""
    image = nib.load(path)
    data = np.asarray(image.dataobj, dtype=np.float32)
    if data.ndim == 4:
        data = np.moveaxis(data, -1, 0)
    return Volume(torch.from_numpy(np.ascontiguousarray(data)), image.affine)


def load_echoes(path: str | Path) -> Volume:
    """`load`, with a leading axis of echoes even where there is one."""
    volume = load(path)
    return volume if volume.data.ndim == 4 else volume.with_data(volume.data[None])


def load_like(path: str | Path, grid: Volume, *, echoes: bool = False) -> Volume:
    """`load` of a volume that must lie on the voxels of `grid`; with `echoes` `load_echoes`, one volume for each of it.

    Raises
    ------
    ValueError
        The shapes differ, or the grids lie apart by more than a twentieth of a voxel.
    """
    volume = load_echoes(path) if echoes else load(path)
    found, wanted = tuple(volume.data.shape), tuple(grid.data.shape if echoes else grid.data.shape[-3:])
    if found != wanted:
        raise ValueError(f"{path}: shape {found} where {wanted} is needed; give both on one grid")
    apart = grids_apart(volume.affine, grid.affine, found[-3:])
    if apart > SAME_PLACE * min(grid.voxel_size):
        raise ValueError(f"{path}: its grid lies up to {apart:.3g} mm from that of the data; give both on one grid")
    return volume


def load_mask(path: str | Path, grid: Volume) -> torch.Tensor:
    """A mask on the voxels of `grid`, bool, (X, Y, Z): true above zero.

    Raises
    ------
    ValueError
        As `load_like`; or the mask is empty, holds NaN or fractions, or `grid` has NaN or Inf in it.
    """
    volume = load_like(path, grid)
    if not bool(torch.equal(volume.data, volume.data.round())):
        raise ValueError(f"{path}: a mask has whole numbers, and these are not; threshold it")
    if not bool(volume.mask.any()):
        raise ValueError(f"{path}: the mask is empty; give the mask of the brain")
    bad = int((~torch.isfinite(grid.data[..., volume.mask])).sum())
    if bad:
        raise ValueError(f"{bad} voxels of the data in {path} are NaN or Inf; mend them or take them out of the mask")
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


def save(volume: Volume, path: str | Path) -> str:
    """Write `volume`: masks as uint8, everything else as float32, with units mm and s; returns the path."""
    data = volume.data.detach().cpu().numpy()
    if data.ndim == 4:
        data = np.moveaxis(data, 0, -1)
    data = data.astype(np.uint8 if data.dtype == np.bool_ else np.float32)
    image = nib.Nifti1Image(data, volume.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_sform(volume.affine, code=1)
    image.header.set_qform(volume.affine, code=1)
    nib.save(image, path)
    return str(path)


def load_stack(paths: Sequence[str | Path]) -> Volume:
    """Several 3-D files of one grid as (N, X, Y, Z); a single 4-D file is taken as it is."""
    volumes = [load_echoes(path) for path in paths]
    return volumes[0].with_data(torch.cat([volume.data for volume in volumes]))
