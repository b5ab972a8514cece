"""Between files of several coils and tensors: ISMRMRD raw data, and images of the coils as NIfTI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from qsmflow.bids.rawdata import RawHeader, read_echo, read_noise, read_raw_header
from qsmflow.core.kspace.fourier import to_kspace
from qsmflow.core.kspace.prewhiten import noise_covariance, prewhiten
from qsmflow.core.phase import phase_to_radians

from .volume import Volume, load_stack, read_image

#: An image that is all of the transform of k-space.
EVERYTHING = (slice(None),) * 3


@dataclass(frozen=True, eq=False)
class Coils:
    """The echoes of several coils on one grid, read one at a time.

    Attributes
    ----------
    affine
        Voxel to world mm, of the image.
    kept
        Where the image lies in the transform of k-space.
    files
        The file of each echo, and which echo of the file it is.
    raw
        Header of each raw file; empty where the files are images.
    """

    affine: np.ndarray
    kept: tuple[slice, slice, slice]
    files: tuple[tuple[Path, int], ...]
    raw: dict[Path, RawHeader]

    def kspace(self, echo: int) -> torch.Tensor:
        """K-space of an echo, complex64, (C, X, Y, Z), of equal and independent noise where there is a noise scan."""
        path, number = self.files[echo]
        if path not in self.raw:
            return to_kspace(load_coil_images(path).data)
        kspace, noise = torch.from_numpy(read_echo(self.raw[path], number)), read_noise(path)
        return kspace if noise is None else prewhiten(kspace, noise_covariance(torch.from_numpy(noise)))

    @property
    def prewhitened(self) -> bool:
        """Whether there is a noise scan."""
        return all(path in self.raw and read_noise(path) is not None for path, _ in self.files)


def open_coils(paths: Sequence[str | Path]) -> Coils:
    """What lies in `paths`: ISMRMRD files, or complex NIfTI images with the coils as the fourth axis, an echo each.

    Raises
    ------
    RefusalError
        Raw data that are not read.
    """
    files = [Path(path) for path in paths]
    raw = {path: read_raw_header(path) for path in files if path.suffix == ".h5"}
    if not raw:
        return Coils(load_coil_images(files[0]).affine, EVERYTHING, tuple((path, 0) for path in files), {})
    echoes = [(path, number) for path in files for number in range(len(raw[path].echo_times))]
    first = raw[files[0]]
    return Coils(first.affine, first.kept, tuple(echoes), raw)


def load_coil_images(path: str | Path) -> Volume:
    """Read complex images (X, Y, Z, C[, M]) as complex64, the last axes first: ([M,] C, X, Y, Z).

    Raises
    ------
    ValueError
        As `read_image`; or there are no coils, something is NaN or Inf, or everything zero.
    """
    values, affine = read_image(path)
    data = values.astype(np.complex64, copy=False)
    if data.ndim < 4:
        raise ValueError(f"{path}: {data.ndim} axes; the coils must be the fourth")
    if not np.isfinite(data).all() or not data.any():
        raise ValueError(f"{path}: NaN, Inf, or nothing but zeros; mend or make it again")
    data = np.ascontiguousarray(data.transpose(*range(data.ndim - 1, 2, -1), 0, 1, 2))
    return Volume(torch.from_numpy(data), affine, str(path))


def load_polar(magnitude: Sequence[str | Path], phase: Sequence[str | Path], units: str | None = None) -> Volume:
    """Complex images of the coils of one echo, complex64, (C, X, Y, Z), from a magnitude and a phase file a coil.

    Raises
    ------
    ValueError
        Not as many phase as magnitude images, or no phase; see `phase_to_radians`.
    """
    if len(magnitude) != len(phase):
        raise ValueError(f"{len(magnitude)} magnitude and {len(phase)} phase images are not those of as many coils")
    size, stored = load_stack(magnitude), load_stack(phase).data
    return size.with_data(torch.polar(size.data, phase_to_radians(stored, units=units)[0]))


def save_coil_images(volume: Volume, path: str | Path) -> str:
    """Write what `load_coil_images` reads; returns the path."""
    data = volume.data.numpy()
    data = data.transpose(*range(data.ndim - 3, data.ndim), *range(data.ndim - 4, -1, -1))
    image = nib.Nifti1Image(data, volume.affine)
    image.header.set_xyzt_units("mm")
    image.header.set_sform(volume.affine, code=1)
    image.header.set_qform(volume.affine, code=1)
    nib.save(image, path)
    return str(path)
