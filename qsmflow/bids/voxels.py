"""What the voxels of a file are like, found by reading it once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmflow.bids.header import DAMAGE, Header, open_image, read_header
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.write import write_json

_CHUNK = 8 << 20
_COPY = "copy or convert the file again"


@dataclass(frozen=True)
class VoxelFacts:
    """Facts of one image, after the scale factors of its header.

    Attributes
    ----------
    low, high
        Extremes of the finite voxels; NaN where there is none.
    voxels, nonfinite, nonzero, fractional
        Numbers of voxels: all, NaN or Inf, not 0, and no whole number.
    """

    low: float
    high: float
    voxels: int
    nonfinite: int
    nonzero: int
    fractional: int


def voxel_facts(path: Path) -> VoxelFacts:
    """Read `path` to its end, so that a damaged gzip stream is noticed; keeps a few tens of MiB in memory.

    Raises
    ------
    RefusalError
        The file is damaged, cut off, or has no usable header.
    """
    header = read_header(path)
    expected = prod(header.shape)
    size = header.dtype.itemsize
    facts = VoxelFacts(np.nan, np.nan, 0, 0, 0, 0)
    try:
        with open_image(path) as stream:
            stream.seek(header.offset)
            while facts.voxels < expected:
                block = stream.read(min(_CHUNK // size, expected - facts.voxels) * size)
                if len(block) < size:
                    raise EOFError(f"ends after {facts.voxels} of {expected} voxels")
                whole = len(block) // size * size
                facts = _join(facts, _chunk_facts(np.frombuffer(block[:whole], header.dtype), header))
            while stream.read(_CHUNK):  # the checksum stands at the end
                pass
    except DAMAGE as error:
        raise RefusalError(path, "voxels", f"damaged file ({error})", _COPY) from error
    return facts


def _chunk_facts(stored: NDArray[Any], header: Header) -> VoxelFacts:
    values = stored
    if header.slope != 1.0 or header.intercept != 0.0:
        values = stored * header.slope + header.intercept
    finite, fractional = values, 0
    if values.dtype.kind == "f":
        good = np.isfinite(values)
        finite = values if good.all() else values[good]
        fractional = int(np.count_nonzero(finite != np.rint(finite)))
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)
    return VoxelFacts(low, high, values.size, values.size - finite.size, int(np.count_nonzero(values)), fractional)


def _join(one: VoxelFacts, other: VoxelFacts) -> VoxelFacts:
    return VoxelFacts(
        float(np.fmin(one.low, other.low)),
        float(np.fmax(one.high, other.high)),
        one.voxels + other.voxels,
        one.nonfinite + other.nonfinite,
        one.nonzero + other.nonzero,
        one.fractional + other.fractional,
    )


class FactsCache:
    """Facts of files already read, kept in a JSON file: what has the same path, size and time is not read again.

    Parameters
    ----------
    path
        The JSON file, in the work directory; None keeps nothing. One that cannot be read counts as empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        if path is not None and path.exists():
            try:
                self._known = json.loads(path.read_bytes())
            except ValueError:
                self._known = {}

    def facts(self, paths: Iterable[Path], threads: int = 1) -> dict[Path, VoxelFacts | RefusalError]:
        """Facts of all `paths`, or why one could not be read; `threads` files at a time."""
        with ThreadPoolExecutor(threads) as pool:
            unique = list(dict.fromkeys(paths))
            return dict(zip(unique, pool.map(self._one, unique), strict=True))

    def save(self) -> None:
        """Write the file."""
        if self._path is not None:
            write_json(self._path, self._known)

    def _one(self, path: Path) -> VoxelFacts | RefusalError:
        try:
            stat = path.stat()
            stamp = [stat.st_size, stat.st_mtime_ns]
            known = self._known.get(str(path))
            if known is not None and known["stamp"] == stamp:
                return VoxelFacts(**known["facts"])
            facts = voxel_facts(path)
        except OSError as error:
            return RefusalError(
                path, "file", f"cannot be read ({error.strerror})", "check the path and its permissions"
            )
        except RefusalError as refusal:
            return refusal
        self._known[str(path)] = {"stamp": stamp, "facts": dataclasses.asdict(facts)}
        return facts
