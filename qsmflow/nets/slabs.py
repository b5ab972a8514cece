"""A network over a volume of any size in a given memory: its upper levels slab by slab, the lower ones whole.

The reach of these networks is as large as a head, so that tiles with a halo would compute mostly halo. But what makes
it large are the lower levels, which are small. So a level that does not fit is computed in slabs along the first axis,
each longer by what the steps of that level alone see: on the way down only the half-sized result is kept, and what
goes across is computed again on the way up. The result is that of the whole volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, prod

import torch

from .levels import Ladder

#: Least rows of a slab; with fewer most of the work is for the halo.
_THIN = 8
_FLOAT = 4


@dataclass(frozen=True)
class Plan:
    """How a volume goes through a network.

    Attributes
    ----------
    rows
        For every level that runs slab by slab, from the top, the length of a slab; empty where all is run whole.
        For a network of slices, how many go at once.
    bytes
        Peak memory beside that of the weights.
    """

    rows: tuple[int, ...]
    bytes: int


class TooLittleMemoryError(ValueError):
    """A volume does not go through a network in what is given.

    Attributes
    ----------
    voxels
        Of the volume.
    least, given
        Bytes.
    """

    def __init__(self, voxels: tuple[int, ...], least: float, given: float):
        self.voxels, self.least, self.given = voxels, least, given
        enough = ceil(least / 1e6) / 1e3
        super().__init__(
            f"memory: a network over {voxels} voxels needs {_legible(least)}, and {_legible(given)} are given; "
            f"give {enough:g} GB or more"
        )


def plan(network: Ladder, shape: tuple[int, ...], itemsize: int = _FLOAT, memory: float | None = None) -> Plan:
    """Fewest levels in slabs, and these as long as possible, that `memory` allows.

    Parameters
    ----------
    network
        Tells the channels of its levels.
    shape
        (X, Y, Z), multiples of ``network.multiple`` (of a network of slices: X, Y).
    itemsize
        Bytes of a number within the network.
    memory
        Bytes; None for no limit.

    Returns
    -------
    Plan
        Its `bytes` are those of the channels that each level of the network says that it holds, times the voxels of
        that level: of the whole level, or of the longest slab; and of what is carried between the levels.

    Raises
    ------
    TooLittleMemoryError
        Not even slabs of eight rows fit.
    """
    if network.dims == 2:
        return _plan_slices(network, shape, itemsize, memory)
    levels = range(network.levels + 1)
    lengths = [shape[0] // 2**level for level in levels]
    planes = [prod(shape[1:]) // 4**level for level in levels]
    rows = [itemsize * network.busy(level) * planes[level] for level in levels]  # bytes of one while it is worked on
    beyond = 2 * sum(network.halo)
    held = _FLOAT * (network.inputs + 2) * prod(shape)
    needs = []
    for depth in levels:
        if depth:
            held += itemsize * (network.carried(depth) + network.made(depth)) * lengths[depth] * planes[depth]
        whole = rows[depth] * lengths[depth]
        least = max([whole, *((_THIN + beyond) * row for row in rows[:depth])])
        needs.append(held + least)
        if memory is None or needs[-1] <= memory:
            room = least if memory is None else int(memory) - held
            thick = [min(lengths[level], (room // rows[level] - beyond) // 2 * 2) for level in range(depth)]
            slabs = [(thick[level] + beyond) * rows[level] for level in range(depth)]
            return Plan(tuple(thick), held + max([whole, *slabs]))
    raise TooLittleMemoryError(shape, min(needs), memory or 0.0)


def _plan_slices(network: Ladder, shape: tuple[int, ...], itemsize: int, memory: float | None) -> Plan:
    slices = shape[2]
    held = _FLOAT * (network.inputs + 2) * prod(shape)
    one = itemsize * network.busy(0) * prod(shape[:2])
    at_once = slices if memory is None else min(slices, int((memory - held) // one))
    if at_once < 1:
        raise TooLittleMemoryError(shape, held + one, memory or 0.0)
    return Plan((at_once,), held + at_once * one)


def _legible(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def run(network: Ladder, x: torch.Tensor, how: Plan, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """The output of `network`.

    Parameters
    ----------
    network
        In evaluation mode, of `dtype` on the device of `x` but for its last steps (`finish`), which are float32.
    x
        (C, X, Y, Z), float32.
    how
        By `plan`, for the shape of `x`.
    dtype
        Of the numbers within the network.

    Returns
    -------
    torch.Tensor
        (outputs, X, Y, Z), float32. Whole or in slabs the same but for the rounding of another order of sums.
    """
    with torch.inference_mode():
        if network.dims == 2:
            return _slices(network, x, how.rows[0], dtype)
        out = _level(network, 0, _channels_last(x[None]), how.rows, dtype)
        return out[0].contiguous()


def _level(network: Ladder, level: int, x: torch.Tensor, rows: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """What comes up from `level`, of what is carried there; of the top, the output."""
    if level == network.levels:
        return network.middle(x)

    def finish(up: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return up if level else network.finish(up.float(), x)

    if level >= len(rows):
        return finish(network.trunk(x.to(dtype), level), x)

    def down(start: int, stop: int) -> torch.Tensor:
        part = x[:, :, start:stop].to(dtype)
        return network.descend(level, part, network.skip(level, part))

    length, (before, after) = x.shape[2], network.halo
    carried = _assembled(down, length, _slabs(length, rows[level], before), 2)
    below = _level(network, level + 1, carried, rows, dtype)
    del carried

    def up(start: int, stop: int) -> torch.Tensor:
        first, last = max(0, start - before), min(length, stop + before)
        skip = network.skip(level, x[:, :, first:last].to(dtype))[:, :, start - first : stop - first]
        return finish(network.ascend(level, skip, below[:, :, start // 2 : stop // 2]), x[:, :, start:stop])

    return _assembled(up, length, _slabs(length, rows[level], after), 1)


def _slabs(length: int, rows: int, halo: int) -> Iterator[tuple[int, int, int, int]]:
    """Start and stop of slabs of one even length, at most `rows`, and those with the halo."""
    count = ceil(length / rows)
    rows = 2 * ceil(length / count / 2)
    for start in range(0, length, rows):
        stop = min(length, start + rows)
        yield start, stop, max(0, start - halo), min(length, stop + halo)


def _assembled(
    step: Callable[[int, int], torch.Tensor], length: int, slabs: Iterator[tuple[int, int, int, int]], factor: int
) -> torch.Tensor:
    """The results of `step` without their halos one after the other; they are shorter than the slabs by `factor`."""
    whole: torch.Tensor | None = None
    for start, stop, first, last in slabs:
        part = step(first, last)[:, :, (start - first) // factor : (stop - first) // factor]
        if whole is None:
            shape = (*part.shape[:2], length // factor, *part.shape[3:])
            whole = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=torch.channels_last_3d)
        whole[:, :, start // factor : stop // factor] = part
    assert whole is not None  # a volume has rows
    return whole


def _slices(network: Ladder, x: torch.Tensor, at_once: int, dtype: torch.dtype) -> torch.Tensor:
    """A network of slices over those along the last axis."""
    every = x.movedim(-1, 0)
    done = []
    for part in every.split(at_once):
        inner = part.to(dtype, memory_format=torch.channels_last)
        done.append(network.finish(network.trunk(inner).float(), part))
    return torch.cat(done).movedim(0, -1).contiguous()


def _channels_last(volume: torch.Tensor) -> torch.Tensor:
    """Channels innermost in memory, in which convolutions on a CPU are faster."""
    return volume.contiguous(memory_format=torch.channels_last_3d)
