"""What of k-space was acquired: read off the zeros of the data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch


def acquired(kspace: torch.Tensor) -> torch.Tensor:
    """Samples that are not zero in every coil; (C, X, Y, Z) to bool (X, Y, Z)."""
    return (kspace != 0).any(0)


def readout_axis(sampled: torch.Tensor) -> int:
    """Axis along which nothing was left out: that of most samples where there are several.

    Lines may be shorter than the grid if all are so alike, as after an asymmetric echo. A 2-D acquisition has a last
    axis of one sample, which serves where both others are accelerated.

    Parameters
    ----------
    sampled
        bool, (X, Y, Z).

    Raises
    ------
    ValueError
        Samples were left out along all three axes.
    """
    full = [axis for axis in range(3) if _has_no_gap(sampled, axis) and torch.equal(sampled, _extended(sampled, axis))]
    if not full:
        raise ValueError("k-space is undersampled along all three axes; the readout must be complete")
    return max(full, key=lambda axis: sampled.shape[axis])


def _has_no_gap(sampled: torch.Tensor, axis: int) -> bool:
    return bool((torch.nonzero(sampled.movedim(axis, 0).flatten(1).any(1)).flatten().diff() == 1).all())


def _extended(sampled: torch.Tensor, axis: int) -> torch.Tensor:
    lines = sampled.any(axis, keepdim=True)
    others = [other for other in range(3) if other != axis]
    return lines & sampled.any(others[1], keepdim=True).any(others[0], keepdim=True)


def calibration_region(sampled: torch.Tensor) -> tuple[slice, slice, slice]:
    """The largest box around the centre of k-space, ``n // 2``, in which every sample was acquired.

    Parameters
    ----------
    sampled
        bool, (X, Y, Z).

    Returns
    -------
    tuple of slice
        One an axis.

    Raises
    ------
    ValueError
        The centre of k-space was not acquired.
    """
    axis = readout_axis(sampled)
    plane = sampled.any(axis)
    line = sampled.movedim(axis, 0).flatten(1).any(1)
    rows, columns = _largest_rectangle(plane, tuple(n // 2 for n in plane.shape))
    found = [rows, columns]
    found.insert(axis, _run(line, len(line) // 2))
    return found[0], found[1], found[2]


def _largest_rectangle(plane: torch.Tensor, centre: Sequence[int]) -> tuple[slice, slice]:
    if not bool(plane[centre[0], centre[1]]):
        raise ValueError("the centre of k-space was not acquired, so there are no samples to calibrate with")
    column = _run(plane[:, centre[1]], centre[0])
    best, area = (slice(centre[0], centre[0]),) * 2, 0
    for start, stop in product(range(column.start, centre[0] + 1), range(centre[0] + 1, column.stop + 1)):
        row = _run(plane[start:stop].all(0), centre[1])
        if (stop - start) * (row.stop - row.start) > area:
            best, area = (slice(start, stop), row), (stop - start) * (row.stop - row.start)
    return best


def _run(line: torch.Tensor, centre: int) -> slice:
    """The stretch of `line` around `centre` without a gap."""
    if not bool(line[centre]):
        raise ValueError("the centre of k-space was not acquired, so there are no samples to calibrate with")
    gaps = torch.nonzero(~line).flatten().tolist()
    start = max((gap + 1 for gap in gaps if gap < centre), default=0)
    return slice(start, min((gap for gap in gaps if gap > centre), default=len(line)))


def centre_of(region: Sequence[slice], most: int) -> tuple[slice, slice, slice]:
    """The middle of a box, no more than `most` samples along each axis."""
    found = []
    for part in region:
        spare = max(part.stop - part.start - most, 0)
        found.append(slice(part.start + spare // 2, part.stop - (spare - spare // 2)))
    return found[0], found[1], found[2]


def patch_covariance(calibration: torch.Tensor, kernel: Sequence[int]) -> torch.Tensor:
    """Sum over all patches p of a fully sampled block of ``p p^H``.

    Patches are formed a share at a time, so that beside the result little memory is held.

    Parameters
    ----------
    calibration
        complex64, (C, A, B, D).
    kernel
        Size of the patch along each axis, samples.

    Returns
    -------
    torch.Tensor
        complex64, (N, N), N = C times the samples of the patch, coils first.

    Raises
    ------
    ValueError
        The block is smaller than the patch.
    """
    if any(n < k for n, k in zip(calibration.shape[1:], kernel, strict=True)):
        size = "x".join(str(n) for n in calibration.shape[1:])
        raise ValueError(f"{size} calibration samples are too few for a kernel of {'x'.join(map(str, kernel))}")
    windows = calibration
    for axis, width in enumerate(kernel):
        windows = windows.unfold(1 + axis, width, 1)
    columns = len(calibration) * kernel[0] * kernel[1] * kernel[2]
    total = torch.zeros((columns, columns), dtype=calibration.dtype, device=calibration.device)
    for plane in windows.unbind(1):
        patches = plane.permute(1, 2, 0, 3, 4, 5).reshape(-1, columns)
        total.addmm_(patches.T, patches.conj())
    return total
