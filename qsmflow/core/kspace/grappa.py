"""Missing k-space samples from their neighbours in all coils (GRAPPA)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..solve import Progress
from .fourier import to_image, to_kspace
from .sampling import acquired, calibration_region, centre_of, patch_covariance, readout_axis

#: Most samples of the readout that calibrate: its ends hold little signal, and the lines around the centre are many.
_CALIBRATION = 32
#: Most unknowns of one coil's kernel; where more samples are near, next to the calibration region, the closest serve.
_UNKNOWNS = 800
#: Elements of the gathered neighbours held at once.
_CHUNK = 2**24


def grappa(
    kspace: torch.Tensor,
    *,
    kernel: int = 7,
    readout_kernel: int = 3,
    weight: float = 0.01,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Fill the samples that were not acquired by GRAPPA.

    Acceleration, its pattern and the calibration region are found from the zeros of the data; any pattern will do
    that is complete along one axis, as the readout is. Each missing sample is a linear combination of the samples of
    all coils that were acquired around it, so that every different surrounding, at the edges of k-space and of the
    calibration region too, has weights of its own. All weights come from one covariance of the calibration region.
    Along the readout the kernel is applied in image space, one product for each position, which costs less.

    Parameters
    ----------
    kspace
        complex64, (C, X, Y, Z), its centre at ``n // 2``, zero where not acquired. For 2-D acquisitions, Z = 1.
    kernel
        Size of the surrounding across the readout, acquired samples or not, odd. A larger one represents the
        sensitivities better and needs a larger calibration region. It is meant for an acceleration of two, and along
        an axis of more it grows in proportion, to no more than half of the calibration region.
    readout_kernel
        The same along the readout, odd.
    weight
        Tikhonov regularisation, as a share of the mean power of the calibration samples. Larger leaves less noise and
        more aliasing.
    progress
        Told of each different surrounding: its number, and the share of missing samples that is left.

    Returns
    -------
    torch.Tensor
        complex64, (C, X, Y, Z): acquired samples as they were, and zero where no sample was acquired around.
        Peak memory: two volumes of all coils beside the input, and a few hundred MB.

    Raises
    ------
    ValueError
        A kernel of even size, no calibration region or too small a one, or undersampling along all three axes.

    References
    ----------
    Griswold et al., Magn Reson Med 2002. Brau et al., Magn Reson Med 2008 (the readout in image space).
    """
    for name, width in (("kernel", kernel), ("readout_kernel", readout_kernel)):
        if width % 2 == 0:
            raise ValueError(f"{name} = {width} is even; it must have a sample in its middle")
    sampled = acquired(kspace)
    axis = readout_axis(sampled)
    region = centre_of(calibration_region(sampled), _CALIBRATION)
    lines, plane = kspace.movedim(axis + 1, 1), sampled.any(axis)
    block = kspace[(slice(None), *region)].movedim(axis + 1, 1)
    widths = (readout_kernel, *(_width(plane, across, kernel, block.shape[2 + across]) for across in (0, 1)))
    size = [min(k, n - 1 + n % 2) for k, n in zip(widths, lines.shape[1:], strict=True)]
    covariance = patch_covariance(block, size)
    covariance.diagonal().add_(weight * covariance.diagonal().real.mean())
    covariance = covariance.reshape(2 * (len(kspace), size[0], size[1] * size[2]))
    # Readout in image space and first, so that a neighbourhood is a few rows of a matrix for each position.
    hybrid = lines.new_empty((*lines.shape[1:], len(lines)))
    for coil, line in enumerate(lines):
        hybrid[..., coil] = to_image(line, (0,))
    left = total = int((~plane).sum())
    for number, (targets, sources) in enumerate(_surroundings(plane, size[1:], _UNKNOWNS // (len(kspace) * size[0]))):
        weights = _along_readout(_weights(covariance, sources), hybrid.shape[0])
        _apply(hybrid, weights, targets, _offsets(size[1:])[sources].to(targets.device))
        left -= len(targets)
        if progress is not None:
            progress(number + 1, left / total)
    filled = torch.empty_like(kspace)
    for coil in range(len(kspace)):
        found = to_kspace(hybrid[..., coil], (0,)).movedim(0, axis)
        filled[coil] = torch.where(sampled, kspace[coil], found)
    return filled


def _width(plane: torch.Tensor, axis: int, kernel: int, calibration: int) -> int:
    """Size of the window along `axis`: as many acquired samples as `kernel` holds at an acceleration of two."""
    steps = torch.nonzero(plane.any(1 - axis)).flatten().diff()
    wanted = (kernel + 1) * int(steps.max()) // 2 if len(steps) else kernel
    return max(kernel, min(wanted, calibration // 2) // 2 * 2 - 1)


def _offsets(size: Sequence[int]) -> torch.Tensor:
    """Positions of a window relative to its middle, in the order of its samples, (n, 2)."""
    axes = [torch.arange(n) - n // 2 for n in size]
    return torch.cartesian_prod(*axes)


def _surroundings(plane: torch.Tensor, size: Sequence[int], most: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Missing positions, (n, 2), by the positions of the window that were acquired around them, and these."""
    offsets = _offsets(size)
    nearest = torch.argsort(offsets.square().sum(1), stable=True)
    missing = torch.nonzero(~plane)
    half = torch.tensor([n // 2 for n in size], device=plane.device)
    padded = torch.nn.functional.pad(plane, (size[1] // 2,) * 2 + (size[0] // 2,) * 2)
    around = missing[:, None] + (offsets[nearest].to(plane.device) + half)
    seen = padded[around[..., 0], around[..., 1]]
    seen &= seen.cumsum(1) <= max(most, 1)
    patterns, which = torch.unique(seen, dim=0, return_inverse=True)
    return [
        (missing[which == number], nearest[pattern.cpu()])
        for number, pattern in enumerate(patterns)
        if bool(pattern.any())
    ]


def _weights(covariance: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Weights of the samples at `sources` for the middle of the window, (K, S, C, C): readout, source, from, to."""
    coils, length, positions = covariance.shape[:3]
    sources = sources.to(covariance.device)
    among = covariance[:, :, sources][..., sources]
    unknowns = coils * length * len(sources)
    right = covariance[:, :, sources, :, length // 2, positions // 2].reshape(unknowns, coils)
    # x_target = sum_j w_j x_j in the least-squares sense: conj(E[x_j x_i^H]) w = conj(E[x_j x_target^H]).
    factor = torch.linalg.cholesky(among.reshape(unknowns, unknowns).conj().resolve_conj())
    solved = torch.cholesky_solve(right.conj().resolve_conj(), factor)
    return solved.reshape(coils, length, len(sources), coils).permute(1, 2, 0, 3)


def _along_readout(weights: torch.Tensor, readout: int) -> torch.Tensor:
    """The weights at each position of the readout in image space, (X, S C, C)."""
    length = weights.shape[0]
    shift = torch.arange(length, device=weights.device) - length // 2
    position = torch.arange(readout, device=weights.device) - readout // 2
    angle = (-2.0 * torch.pi / readout) * position[:, None] * shift
    waves = torch.polar(torch.ones_like(angle), angle)
    return (waves @ weights.reshape(length, -1)).reshape(readout, -1, weights.shape[-1])


def _apply(hybrid: torch.Tensor, weights: torch.Tensor, targets: torch.Tensor, offsets: torch.Tensor) -> None:
    """Fill `targets` of `hybrid`, (X, Y, Z, C), in place."""
    share = max(1, _CHUNK // (hybrid.shape[0] * weights.shape[1]))
    for part in targets.split(share):
        near = part[:, None] + offsets
        found = hybrid[:, near[..., 0], near[..., 1]].flatten(2)
        hybrid[:, part[:, 0], part[:, 1]] = found @ weights
