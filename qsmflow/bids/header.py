"""NIfTI headers, read without the voxels and as fast as thousands of files need."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from qsmflow.bids.problems import RefusalError
from qsmflow.bids.rawdata import read_raw_header

#: What gzip raises for a file that is cut off, damaged or no gzip at all.
DAMAGE = (OSError, EOFError, zlib.error)
_COPY = "copy or convert the file again"
_SIZES = {348: Nifti1Header, 540: Nifti2Header}


@dataclass(frozen=True, eq=False)
class Header:
    """What is needed of a header.

    Attributes
    ----------
    shape
        Voxels along x, y, z and, with echoes in one file, their number.
    affine
        (4, 4), voxel to scanner RAS mm.
    oriented
        Whether the file has an sform or a qform; if not, `affine` is nibabel's guess from the voxel size.
    dtype, slope, intercept, offset
        How the voxels are stored: type with byte order, scale factors, first byte.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    oriented: bool
    dtype: np.dtype[Any]
    slope: float
    intercept: float
    offset: int

    @property
    def voxel_size(self) -> tuple[float, ...]:
        """Mm along x, y, z."""
        return tuple(float(size) for size in np.linalg.norm(self.affine[:3, :3], axis=0))


def open_image(path: Path) -> IO[bytes]:
    """`path` as a stream of uncompressed bytes."""
    return cast(IO[bytes], gzip.open(path) if path.name.endswith(".gz") else path.open("rb"))


def read_header(path: Path) -> Header:
    """The header of `path`; raises `RefusalError` where there is none that can be used.

    Of raw data (ISMRMRD) it is that of the images they will make.
    """
    if path.suffix == ".h5":
        scan = read_raw_header(path)
        echoes = (len(scan.echo_times),) if len(scan.echo_times) > 1 else ()
        return Header((*scan.shape, *echoes), scan.affine, True, np.dtype(np.complex64), 1.0, 0.0, 0)
    try:
        with open_image(path) as stream:
            block = stream.read(540)
    except DAMAGE as error:
        raise RefusalError(path, "header", f"cannot be read ({error})", _COPY) from error
    raw = _parse(block)
    if raw is None:
        raise RefusalError(path, "header", "not a NIfTI file", _COPY)
    try:
        dtype = raw.get_data_dtype()
        slope, intercept = raw.get_slope_inter()
        affine = np.asarray(raw.get_best_affine(), dtype=np.float64)
        shape = tuple(int(n) for n in raw.get_data_shape())
    except Exception as error:
        # nibabel has no common class for values that make no sense
        raise RefusalError(path, "header", f"makes no sense ({error})", _COPY) from error
    if dtype.kind not in "iuf":
        raise RefusalError(path, "datatype", f"{dtype} voxels are no real numbers", "convert to real numbers")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    oriented = bool(raw["sform_code"] > 0 or raw["qform_code"] > 0)
    return Header(
        shape,
        affine,
        oriented,
        dtype,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        int(raw["vox_offset"]),
    )


def _parse(block: bytes) -> Nifti1Header | Nifti2Header | None:
    """The header in `block`; None where neither byte order gives the size that NIfTI-1 or NIfTI-2 begins with."""
    for order in ("<", ">"):
        size = int(np.frombuffer(block[:4].ljust(4, b"\0"), f"{order}i4")[0])
        if size in _SIZES and len(block) >= size:
            return _SIZES[size](block[:size], endianness=order, check=False)
    return None
