"""Unwrapping by merging regions of similar phase, after SEGUE."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage, sparse

#: Intervals into which the circle is cut: a region spans less than a sixth of a turn, so no wrap lies in it.
_INTERVALS = 6


class _Borders(NamedTuple):
    """Where regions touch, one entry a pair: the two, the turns to add to the second, summed, and how many voxels."""

    first: np.ndarray
    second: np.ndarray
    turns: np.ndarray
    size: np.ndarray


def segue(phase: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Unwrap one image by joining regions of similar phase, those first whose border is long and of one opinion.

    The connected voxels of each sixth of the circle are regions without a wrap. Two regions that touch differ by the
    whole turns that their border says on average. In each round every region joins the neighbour to which it has the
    best border, and the borders between the same two of the grown regions are added up, so that short and noisy
    borders are looked at last and outvoted. The paper takes the longest border; here its length counts less the
    further the mean of its turns is from a whole number, which is right more often where noise rules. All regions
    join in the same round where the paper takes one after the other; about ten rounds do.

    Parameters
    ----------
    phase
        rad, wrapped, (X, Y, Z).
    mask
        bool, (X, Y, Z). Parts of it that do not touch are unwrapped each on its own.

    Returns
    -------
    torch.Tensor
        rad, (X, Y, Z); differs from `phase` by multiples of 2 pi inside the mask, zero outside. Peak memory: 10
        volumes for a phase without noise, 40 where noise makes a region of every voxel.

    References
    ----------
    Karsa and Shmueli, IEEE Trans Med Imaging 2019.
    """
    wrapped, inside = phase.cpu().numpy(), mask.cpu().numpy()
    region, count = _regions(wrapped, inside)
    turns = _turns(_borders(wrapped, region), count)
    unwrapped = wrapped * inside + np.float32(2.0 * np.pi) * turns[region]
    return torch.from_numpy(unwrapped).to(phase.device)


def _regions(phase: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the region of each voxel, 0 outside the mask, and one more than the largest."""
    interval = np.floor((phase + np.pi) * (_INTERVALS / (2.0 * np.pi))).astype(np.int8) % _INTERVALS
    region, count = np.zeros(phase.shape, np.int32), 0
    for k in range(_INTERVALS):
        part = inside & (interval == k)
        labels, found = ndimage.label(part)
        np.add(labels, count, out=region, where=part)
        count += found
    return region, count + 1


def _borders(phase: np.ndarray, region: np.ndarray) -> _Borders:
    """One entry for each two neighbouring voxels in different regions."""
    firsts, seconds, turns = [], [], []
    for axis in range(phase.ndim):
        here = tuple(slice(0, -1) if a == axis else slice(None) for a in range(phase.ndim))
        there = tuple(slice(1, None) if a == axis else slice(None) for a in range(phase.ndim))
        a, b = region[here], region[there]
        touch = (a != b) & (a > 0) & (b > 0)
        firsts.append(a[touch])
        seconds.append(b[touch])
        turns.append(np.rint((phase[here][touch] - phase[there][touch]) / (2.0 * np.pi)).astype(np.float32))
    first = np.concatenate(firsts)
    return _Borders(first, np.concatenate(seconds), np.concatenate(turns), np.ones(len(first), np.float32))


def _turns(borders: _Borders, count: int) -> np.ndarray:
    """Turns to add to each of `count` regions, float32; those of a region that touches no other are zero."""
    turns = np.zeros(count, np.float32)
    group: np.ndarray = np.arange(count, dtype=np.int32)
    groups = count
    while len(borders.first):
        borders = _summed(borders, groups)
        root, offset = _join(borders, groups)
        turns += offset[group]
        roots, joined = np.unique(root, return_inverse=True)
        joined, groups = joined.astype(np.int32), len(roots)
        group = joined[group]
        first, second, between, size = borders
        between = between - (offset[second] - offset[first]) * size
        first, second = joined[first], joined[second]
        apart = first != second
        borders = _Borders(first[apart], second[apart], between[apart], size[apart])
    return turns


def _summed(borders: _Borders, groups: int) -> _Borders:
    """One entry for each two groups that touch."""
    first, second, turns, size = borders
    swap = first > second
    pairs = np.where(swap, second, first), np.where(swap, first, second)
    sizes, between = (
        sparse.coo_array((values, pairs), shape=(groups, groups)).tocsr().tocoo()
        for values in (size, np.where(swap, -turns, turns))
    )
    return _Borders(sizes.row, sizes.col, between.data, sizes.data)


def _join(borders: _Borders, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Every group joins the neighbour to which it has the best border.

    Returns the group at which the chain of each ends, and the turns to add on the way there.
    """
    first, second, between, size = borders
    turns = np.rint(between / size)
    worth = size * (1.0 - 2.0 * np.abs(between / size - turns))
    rank = np.empty(len(worth), np.int64)
    rank[np.argsort(worth, kind="stable")] = np.arange(len(worth))
    best = np.full(groups, -1)
    np.maximum.at(best, first, rank)
    np.maximum.at(best, second, rank)
    border = np.empty(len(rank), np.int64)
    border[rank] = np.arange(len(rank))
    joins = np.flatnonzero(best >= 0)
    chosen = border[best[joins]]
    is_first = first[chosen] == joins
    parent, offset = np.arange(groups), np.zeros(groups, np.float32)
    parent[joins] = np.where(is_first, second[chosen], first[chosen])
    offset[joins] = np.where(is_first, -turns[chosen], turns[chosen])
    # ranks have no ties, so a chain can only close between two groups that chose each other: one of them is its end
    ends = np.flatnonzero((parent[parent] == np.arange(groups)) & (np.arange(groups) < parent))
    parent[ends], offset[ends] = ends, 0.0
    while not np.array_equal(above := parent[parent], parent):
        offset = offset + offset[parent]
        parent = above
    return parent, offset
