"""One complex image from the images of the coils."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch

from .maps import dominant, refer_phase, reference_coil

#: Elements of the matrices held at once.
_CHUNK = 2**24
#: Products with the covariance; the eigenvalue of the signal stands far above that of the noise.
_ITERATIONS = 8


def combine(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Sensitivity-weighted combination, ``sum_c conj(S_c) I_c``, the best for equal, independent noise.

    Parameters
    ----------
    images
        complex64, (..., C, X, Y, Z), echoes first.
    maps
        complex64, (C, X, Y, Z), of unit norm over the coils; where it is less, the image fades.

    Returns
    -------
    torch.Tensor
        complex64, (..., X, Y, Z); its magnitude is close to the root sum of squares, less its noise.

    References
    ----------
    Roemer et al., Magn Reson Med 1990.
    """
    return (images * maps.conj()).sum(-4)


def combine_sets(images: torch.Tensor, sets: torch.Tensor) -> torch.Tensor:
    """Combination with several sets of sensitivities: where the head is larger than the field of view, one a fold.

    The sets are orthogonal in each voxel, so that the least-squares image of each is its own `combine`.

    Parameters
    ----------
    images
        complex64, (..., C, X, Y, Z), echoes first.
    sets
        complex64, (M, C, X, Y, Z), as of `espirit`.

    Returns
    -------
    torch.Tensor
        complex64, (..., X, Y, Z): the root sum of squares of the images of all sets, with the phase of the first.

    References
    ----------
    Uecker et al., Magn Reson Med 2014.
    """
    first, *others = [combine(images, maps) for maps in sets]
    magnitude = sum((image.abs().square() for image in others), start=first.abs().square()).sqrt()
    return torch.polar(magnitude, first.angle())


def root_sum_of_squares(images: torch.Tensor) -> torch.Tensor:
    """Magnitude over the coils, (..., C, X, Y, Z) to (..., X, Y, Z)."""
    return torch.linalg.vector_norm(images, dim=-4)


def adaptive_maps(images: torch.Tensor, *, block: int = 5) -> torch.Tensor:
    """Sensitivities from the images alone: the leading eigenvector of the coils' covariance in a block around a voxel.

    All echoes share one covariance, so that the combination adds the same phase to each.

    Parameters
    ----------
    images
        complex64, (E, C, X, Y, Z).
    block
        Edge of the block, voxels, odd. A larger one has less noise and follows the sensitivities less closely.

    Returns
    -------
    torch.Tensor
        complex64, (C, X, Y, Z), of unit norm, with the phase of the virtual coil of most signal as zero.
        Peak memory: the result and a few hundred MB.

    Raises
    ------
    ValueError
        An even block.

    References
    ----------
    Walsh et al., Magn Reson Med 2000.
    """
    if block % 2 == 0:
        raise ValueError(f"block = {block} is even; it must have a voxel in its middle")
    coils, shape, half = images.shape[1], images.shape[2:], block // 2
    reference = reference_coil(torch.einsum("ecxyz,edxyz->cd", images, images.conj()))
    maps = images.new_empty((coils, *shape))
    slab = max(1, _CHUNK // (coils**2 * shape[1] * shape[2]))
    for first in range(0, shape[0], slab):
        last = min(first + slab, shape[0])
        low, high = max(first - half, 0), min(last + half, shape[0])
        covariance = images.new_zeros((coils, coils, last - first, *shape[1:]))
        for i, j in combinations_with_replacement(range(coils), 2):
            product = (images[:, i, low:high] * images[:, j, low:high].conj()).sum(0)
            covariance[i, j] = _block_sum(product, half)[first - low : last - low]
            covariance[j, i] = covariance[i, j].conj()
        matrices = covariance.flatten(2).permute(2, 0, 1).contiguous()
        strongest = matrices.diagonal(dim1=1, dim2=2).real.argmax(1)
        start = matrices[torch.arange(len(matrices), device=images.device), :, strongest].unsqueeze(-1)
        _, vectors = dominant(matrices, start, _ITERATIONS)
        maps[:, first:last] = refer_phase(vectors, reference)[..., 0].T.reshape(coils, last - first, *shape[1:])
    return maps


def _block_sum(image: torch.Tensor, half: int) -> torch.Tensor:
    """Sum over the block around each voxel, zero beyond the edges; differences of running sums."""
    for axis, n in enumerate(image.shape):
        running = torch.cat([torch.zeros_like(image.narrow(axis, 0, 1)), image.cumsum(axis)], axis)
        ends = torch.arange(n, device=image.device)
        image = running.index_select(axis, (ends + half + 1).clamp_max(n)) - running.index_select(
            axis, (ends - half).clamp_min(0)
        )
    return image
