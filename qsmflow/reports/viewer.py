"""χ over the magnitude in three planes that can be moved through, with the volumes inside the page."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qsmflow.reports.blocks import Viewer
from qsmflow.reports.chi import RANGES
from qsmflow.reports.scales import magnitude_scale
from qsmflow.reports.titles import title_of
from qsmflow.reports.volume import Volume, choose_cuts

#: ppm between two of the 255 values of a stored map: ±0.254 ppm in all.
STEP = 0.002
#: Voxels of a volume in the page; of larger ones every second or third in each axis is kept.
_MOST = 4_000_000


def viewer(name: str, magnitude: Volume | None, chis: Mapping[str, Volume], mask: NDArray[np.bool_] | None) -> Viewer:
    """The block that shows `chis` over `magnitude`.

    Parameters
    ----------
    name
        Of the series.
    magnitude
        Any unit; None where there is none.
    chis
        χ, ppm, by kind, on the grid of the magnitude.
    mask
        Bool, (X, Y, Z): where χ is shown; None: where it is not zero.
    """
    frame = next(iter(chis.values()))
    shown = mask if mask is not None else frame.mask
    cuts = choose_cuts(shown, frame.voxel_size)
    sizes = np.subtract(cuts.high, cuts.low)
    stride = 1
    while np.prod(-(-sizes // stride)) > _MOST:
        stride += 1
    box = tuple(slice(a, b, stride) for a, b in zip(cuts.low, cuts.high, strict=True))
    affine = frame.affine.copy()
    affine[:3, 3] = frame.affine[:3] @ [*cuts.low, 1]
    affine[:3, :3] *= stride
    content = {
        "shape": [len(range(*part.indices(size))) for part, size in zip(box, frame.data.shape, strict=True)],
        "voxel": [size * stride for size in frame.voxel_size],
        "affine": np.round(affine[:3], 4).tolist(),
        "step": STEP,
        "maps": [_packed(_grey_of_chi(chi, shown)[box]) for chi in chis.values()],
        "magnitude": None if magnitude is None else _packed(_grey_of_magnitude(magnitude)[box]),
    }
    text = f"χ over the magnitude of {name}." if magnitude is not None else f"χ of {name}."
    if stride > 1:
        text += f" Of {stride} voxels along each axis one is kept."
    return Viewer(
        f"{name}_viewer",
        json.dumps(content),
        [title_of(kind) for kind in chis],
        [f"{limit:g}" for limit in RANGES],
        text,
    )


def _grey_of_chi(chi: Volume, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """χ in steps about 128; 0 is outside the mask."""
    steps = np.clip(np.rint(np.nan_to_num(chi.data) / STEP), -127, 127) + 128
    return np.where(mask, steps, 0).astype(np.uint8)


def _grey_of_magnitude(magnitude: Volume) -> NDArray[np.uint8]:
    top = magnitude_scale(magnitude).high or 1.0
    return np.clip(255 * np.nan_to_num(magnitude.data) / top, 0, 255).astype(np.uint8)


def _packed(values: NDArray[np.uint8]) -> str:
    """The voxels, x fastest, compressed, as text."""
    return base64.b64encode(gzip.compress(values.tobytes(order="F"), compresslevel=6, mtime=0)).decode()
