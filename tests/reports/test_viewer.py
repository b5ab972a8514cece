"""What the viewer is given."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest

from qsmflow.reports.viewer import STEP, viewer
from qsmflow.reports.volume import Volume

AFFINE = np.array([[2.0, 0, 0, -30], [0, 2.0, 0, -40], [0, 0, 3.0, -50], [0, 0, 0, 1]])


def volume(shape: tuple[int, int, int]) -> tuple[Volume, np.ndarray]:
    """A ramp of χ in a box, 10 voxels from the low sides of the grid."""
    mask = np.zeros(shape, bool)
    mask[10:-5, 10:-5, 10:-5] = True
    chi = np.broadcast_to(np.linspace(-0.3, 0.3, shape[0], dtype=np.float32)[:, None, None], shape) * mask
    return Volume(chi, (2.0, 2.0, 3.0), AFFINE), mask


def test_the_stored_map_is_the_map_in_its_place() -> None:
    chi, mask = volume((40, 36, 30))
    content = json.loads(viewer("sub-01", None, {"l2": chi}, mask).content)
    assert content["magnitude"] is None
    packed = np.frombuffer(gzip.decompress(base64.b64decode(content["maps"][0])), np.uint8)
    stored = packed.reshape(content["shape"], order="F")
    affine = np.array(content["affine"])
    for voxel in np.argwhere(stored > 0)[::97]:
        there = np.rint(np.linalg.solve(AFFINE[:3, :3], affine @ [*voxel, 1] - AFFINE[:3, 3])).astype(int)
        value = np.clip(chi.data[tuple(there)], -127 * STEP, 127 * STEP)
        assert (int(stored[tuple(voxel)]) - 128) * STEP == pytest.approx(value, abs=0.51 * STEP)
    assert np.count_nonzero(stored) == np.count_nonzero(mask)


def test_large_volumes_are_thinned_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qsmflow.reports.viewer._MOST", 10_000)
    chi, mask = volume((60, 60, 60))
    block = viewer("sub-01", chi, {"l2": chi}, mask)
    content = json.loads(block.content)
    assert np.prod(content["shape"]) <= 10_000 and "Of 3 voxels along each axis one is kept" in block.caption
    assert content["voxel"] == [6.0, 6.0, 9.0]
