"""Coil sensitivities from the calibration region of k-space (ESPIRiT)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..solve import Progress
from .maps import dominant, refer_phase, reference_coil
from .sampling import acquired, calibration_region, centre_of, patch_covariance

#: Spacing of the voxels at which eigenvectors are computed in full; the others are iterated from these.
_STRIDE = 4
#: Elements of the matrices held at once.
_CHUNK = 2**24


def espirit(
    kspace: torch.Tensor,
    *,
    kernel: int = 6,
    calibration: int = 24,
    threshold: float = 0.01,
    sets: int = 1,
    crop: float = 0.8,
    soft: bool = True,
    iterations: int = 3,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sensitivities as the eigenvectors, of eigenvalue one, of the projection onto the patches of k-space.

    The projection is averaged over the samples of the patch, which makes it a convolution that mixes the coils; its
    kernel, of 2 `kernel` - 1 samples, is transformed for each pair of coils, slab by slab. The eigenvectors change
    slowly from voxel to voxel: every fourth is decomposed, and the rest are reached from there by subspace iteration.

    Parameters
    ----------
    kspace
        complex64, (C, X, Y, Z), its centre at ``n // 2``, zero where not acquired; 2-D acquisitions have Z = 1.
        Only the fully sampled centre is used.
    kernel
        Size of the patches, samples along each axis.
    calibration
        Most samples of the centre to use along each axis.
    threshold
        Singular values of the calibration matrix below this share of the largest are noise.
    sets
        Map sets; more than one where the field of view is smaller than the head, or the echoes disagree.
    crop
        Maps are zero where their eigenvalue is below this.
    soft
        Fade the maps in between `crop` and one instead of a step.
    iterations
        Of the subspace iteration.
    progress
        Told of each slab: its number, and the share of the grid that is left.

    Returns
    -------
    maps, values
        complex64, (M, C, X, Y, Z), of unit norm over the coils but for the fading, with the phase of the virtual coil
        of most signal as zero; and the eigenvalues, (M, X, Y, Z). Peak memory: these and a few hundred MB. The time is
        that of one eigenvalue decomposition of size ``C kernel^3``, the memory for it four such matrices.

    Raises
    ------
    ValueError
        No calibration region, one smaller than `kernel`, or more sets than coils.

    References
    ----------
    Uecker et al., Magn Reson Med 2014.
    """
    coils, shape = len(kspace), kspace.shape[1:]
    if sets > coils:
        raise ValueError(f"{sets} map sets of {coils} coils; there can be no more sets than coils")
    block = kspace[(slice(None), *centre_of(calibration_region(acquired(kspace)), calibration))]
    response = _response(block, [min(kernel, n) for n in shape], threshold)
    reference = reference_coil(torch.einsum("cxyz,dxyz->cd", block, block.conj()))
    sparse = [torch.arange(0, n, _STRIDE, device=kspace.device) for n in shape]
    start = _decomposed(response, shape, sparse, sets)
    maps = kspace.new_empty((sets, coils, *shape))
    values = torch.empty((sets, *shape), device=kspace.device)
    slab = max(1, _CHUNK // (coils**2 * shape[1] * shape[2]))
    rows = torch.arange(shape[0], device=kspace.device)
    every = [torch.arange(n, device=kspace.device) for n in shape[1:]]
    for number, part in enumerate(rows.split(slab)):
        found, vectors = dominant(
            _evaluate(response, shape, [part, *every]).flatten(0, 2),
            start[part // _STRIDE][:, every[0] // _STRIDE][:, :, every[1] // _STRIDE].flatten(0, 2),
            iterations,
        )
        vectors = refer_phase(vectors, reference)
        maps[:, :, part] = vectors.permute(2, 1, 0).reshape(sets, coils, len(part), *shape[1:])
        values[:, part] = found.T.reshape(sets, len(part), *shape[1:])
        if progress is not None:
            progress(number + 1, 1.0 - (int(part[-1]) + 1) / shape[0])
    maps *= _fade(values, crop, soft).unsqueeze(1)
    return maps, values


def _fade(values: torch.Tensor, crop: float, soft: bool) -> torch.Tensor:
    if not soft:
        return (values >= crop).float()
    part = ((values - crop) / max(1.0 - crop, 1e-6)).clamp(0.0, 1.0)
    return torch.sin(0.5 * torch.pi * part)


def _response(block: torch.Tensor, kernel: Sequence[int], threshold: float) -> torch.Tensor:
    """Kernel of the averaged projection, from coil to coil, (2 kx - 1, 2 ky - 1, 2 kz - 1, C, C)."""
    coils = len(block)
    values, vectors = torch.linalg.eigh(patch_covariance(block, kernel))
    vectors = vectors[:, values > threshold**2 * values[-1]]
    # The sum over all positions i of P(i, i + d) is a correlation, one product of small transforms.
    wide = [2 * k - 1 for k in kernel]
    spectra = torch.fft.fftn(vectors.reshape(coils, *kernel, -1), s=wide, dim=(1, 2, 3)).movedim(0, -1)
    total = torch.einsum("xyzvc,xyzvd->xyzcd", spectra, spectra.conj())
    return torch.fft.fftn(total, dim=(0, 1, 2), norm="forward") / (kernel[0] * kernel[1] * kernel[2])


def _evaluate(response: torch.Tensor, shape: Sequence[int], positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """The projection in image space at `positions` along each axis, (x, y, z, C, C)."""
    x, y, z = (_waves(*axis) for axis in zip(response.shape[:3], shape, positions, strict=True))
    coils = response.shape[-1]
    found = (x @ response.flatten(1)).reshape(len(x), response.shape[1], -1)
    found = (y @ found).reshape(len(x) * len(y), response.shape[2], -1)
    return (z @ found).reshape(len(x), len(y), len(z), coils, coils)


def _waves(width: int, n: int, where: torch.Tensor) -> torch.Tensor:
    """Transform of `width` samples around zero to positions of an axis of `n` voxels, (positions, width)."""
    shift = torch.fft.fftfreq(width, 1.0 / width, device=where.device)
    angle = (-2.0 * torch.pi / n) * (where - n // 2).float()[:, None] * shift
    return torch.polar(torch.ones_like(angle), angle)


def _decomposed(
    response: torch.Tensor, shape: Sequence[int], positions: Sequence[torch.Tensor], sets: int
) -> torch.Tensor:
    """Leading eigenvectors at sparse positions, (x, y, z, C, M)."""
    planes = []
    for where in positions[0].split(1):
        matrices = _evaluate(response, shape, [where, *positions[1:]])
        planes.append(torch.linalg.eigh(matrices).eigenvectors[..., -sets:].flip(-1))
    return torch.cat(planes)
