"""Cores of nuclei find nuclei: made-up ones, at a known place."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from qsmflow.core.registration.cores import Core, Placed, place_cores

CORES = (
    Core(1, "left", (-20, 0, 0), (3, 5, 4), 1.0),
    Core(2, "right", (20, 0, 0), (3, 5, 4), 1.0),
    Core(3, "", (-8, -22, -10), (3, 3, 3), 1.0),
    Core(4, "", (8, -22, -10), (3, 3, 3), 1.0),
    Core(7, "", (0, -50, -30), (4, 4, 4), 0.5),
)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = -50, -74, -50
SHAPE = (51, 51, 44)
#: A nucleus is larger than its core by this, mm.
MORE = 2.0


def made_up(pose: np.ndarray, away: dict[int, tuple[float, float, float]] | None = None) -> tuple[torch.Tensor, ...]:
    """Susceptibility with noise, and the true nuclei: those of `CORES`, moved by `away`, in a head moved by `pose`."""
    voxels = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    at = (voxels - pose[:3, 3]) @ np.linalg.inv(pose[:3, :3]).T
    labels = np.zeros(SHAPE, int)
    for core in CORES:
        middle = np.add(core.centre, (away or {}).get(core.index, (0, 0, 0)))
        labels[np.linalg.norm((at - middle) / (np.array(core.radii) + MORE), axis=-1) < 1] = core.index
    chi = 0.1 * (labels > 0) + 0.02 * np.random.default_rng(0).standard_normal(SHAPE)
    return torch.from_numpy(chi.astype(np.float32)), torch.from_numpy(labels)


def hit(placed: Placed, true: torch.Tensor) -> dict[int, float]:
    """Share of each core that lies in its nucleus."""
    return {
        index: float((true[placed.labels == index] == index).float().mean())
        for index in placed.labels.unique().tolist()
        if index
    }


def pose(turn: tuple[float, float, float], shift: tuple[float, float, float], size: float = 1.0) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = size * Rotation.from_rotvec(turn, degrees=True).as_matrix()
    out[:3, 3] = shift
    return out


@pytest.mark.parametrize(
    "moved",
    [pose((0, 0, 0), (0, 0, 0)), pose((0, 0, 0), (4, 13, -8)), pose((6, -3, 4), (-3, 5, 8), 0.93)],
    ids=["in place", "shifted", "turned"],
)
def test_cores_lie_in_their_nuclei(moved: np.ndarray) -> None:
    chi, true = made_up(moved)
    placed = place_cores(chi, AFFINE, torch.ones(SHAPE, dtype=torch.bool), np.eye(4), CORES)
    found = hit(placed, true)
    assert found.keys() == {1, 2, 3, 4, 7} and min(found.values()) > 0.8 and sum(found.values()) > 4.75
    assert placed.contrast == pytest.approx(0.09, abs=0.015)


def test_a_group_moves_of_its_own() -> None:
    chi, true = made_up(np.eye(4), {1: (-4.0, 3.0, 0.0)})
    mask = torch.ones(SHAPE, dtype=torch.bool)
    placed = place_cores(chi, AFFINE, mask, np.eye(4), CORES)
    held = place_cores(chi, AFFINE, mask, np.eye(4), [dataclasses.replace(core, group="") for core in CORES])
    assert hit(placed, true)[1] > max(0.95, hit(held, true)[1]) and 1 < placed.shift <= 4 and held.shift == 0


def test_what_lies_outside_the_mask_is_left_out() -> None:
    chi, true = made_up(np.eye(4))
    mask = torch.ones(SHAPE, dtype=torch.bool)
    mask[:, :17] = False  # below y = -40
    found = hit(place_cores(chi, AFFINE, mask, np.eye(4), CORES), true)
    assert found.keys() == {1, 2, 3, 4}


def test_a_map_in_which_nothing_stands_out_has_no_cores() -> None:
    mask = torch.ones(SHAPE, dtype=torch.bool)
    placed = place_cores(torch.zeros(SHAPE), AFFINE, mask, np.eye(4), CORES)
    assert placed.contrast <= 0 and not bool(placed.labels.any())
    noise = 0.02 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    assert place_cores(noise, AFFINE, mask, np.eye(4), CORES).contrast < 0.01


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask is empty"):
        place_cores(torch.zeros(SHAPE), AFFINE, torch.zeros(SHAPE, dtype=torch.bool), np.eye(4), CORES)
