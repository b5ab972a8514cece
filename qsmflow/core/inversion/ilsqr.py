"""Least squares, then the streaking artefacts estimated and removed (iLSQR)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..background.spheres import sphere_spectrum
from ..gradient import gradient, gradient_adjoint, laplacian_spectrum
from ..grid import as_size, irfft, pad_to, rfft
from ..solve import Progress, conjugate_gradients
from .padded import Padded
from .tkd import tkd

#: Conjugate gradients of the first map, which has no penalty: what they do not reach stays zero.
FIRST = 30
#: Percentiles between which the weights of the field fall from one to zero, by its Laplacian. With the paper's 60 and
#: 99.9 the strongest sources, whose own field it is that is uneven, come out at a fifth of their strength.
UNEVEN = (99.0, 100.0)
#: Percentiles of the dipole kernel between which the fast map trusts k-space not at all and wholly.
TRUSTED = (1.0, 30.0)
#: Percentiles between which a gradient of the fast map turns from none into an edge.
EDGES = (50.0, 70.0)
#: mm, of the mean that replaces what the fast map does not trust.
RADIUS = 3.0
#: 1/mm^2, added to the Laplacian in the preconditioner of the third step.
FLOOR = 0.01


def ilsqr(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    threshold: float = 0.2,
    tolerance: float = 0.03,
    max_iterations: int = 50,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """A least-squares map, less the part in the cone of k-space whose removal leaves it even away from edges.

    1. ``min |W (D chi - field)|``, W falling where the Laplacian of the field is large; 30 conjugate gradients.
    2. A fast map for its edges: ``sign(D) F``, near the cone replaced by its mean over a sphere, and scaled to TKD.
    3. ``min |V grad(chi - artefact)|`` over artefacts of frequencies with ``|D| < threshold``, V zero at those edges.

    Parameters
    ----------
    field
        Local field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    threshold
        Of the dipole kernel: how wide the cone is that may hold artefacts. The paper has 0.1; twice that removes
        more of what noise makes.
    tolerance
        Stops the third step when the residual of its normal equations has fallen to this share.
    max_iterations
        Stops the third step there at the latest; one costs 2 FFT pairs, as does one of the 30 of the first.
    progress
        Called after each iteration of the third step with the relative residual.

    Returns
    -------
    chi, residuals
        Susceptibility, ppm, (X, Y, Z), zero outside the mask; and the relative residuals of the third step. Holds about
        24 volumes of a grid an eighth larger than the box around the mask, or what `tkd` does and 6 of them.

    Raises
    ------
    ValueError
        The mask is empty, or `threshold` is not positive.

    References
    ----------
    Li et al., NeuroImage 2015.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    padded = Padded.of(field, mask, voxel_size, b0_dir)
    box, kernel, inside = padded.box, padded.kernel, padded.mask > 0
    first = _least_squares(padded.field, inside, kernel, voxel_size)
    divided = pad_to(box.cut(tkd(field, mask, voxel_size, b0_dir, threshold=0.125)), box.padded)
    even = _without_edges(_fast(padded.field, inside, kernel, voxel_size, divided), inside, voxel_size)
    cone = kernel.abs() < threshold
    # With a V of one everywhere this would be the inverse, but for the constant that holds what V says nothing of.
    inverse = cone / (laplacian_spectrum(box.padded, voxel_size, field.device) + FLOOR)

    def adjoint(slopes: torch.Tensor) -> torch.Tensor:
        return irfft(rfft(gradient_adjoint(even * slopes, voxel_size)) * cone, box.padded)

    def normal(v: torch.Tensor) -> torch.Tensor:
        return adjoint(even * gradient(v, voxel_size))

    artefact, residuals = conjugate_gradients(
        normal,
        adjoint(even * gradient(first, voxel_size)),
        iterations=max_iterations,
        tolerance=tolerance,
        precondition=lambda v: irfft(rfft(v) * inverse, box.padded),
        progress=progress,
    )
    return padded.content(first - artefact, mask), residuals


def _least_squares(
    field: torch.Tensor, inside: torch.Tensor, kernel: torch.Tensor, voxel_size: Sequence[float]
) -> torch.Tensor:
    shape = as_size(field.shape)
    uneven = gradient_adjoint(gradient(field, voxel_size), voxel_size).abs()
    power = (_falling(uneven, inside, UNEVEN) * inside).square()

    def convolve(v: torch.Tensor) -> torch.Tensor:
        return irfft(rfft(v) * kernel, shape)

    chi, _ = conjugate_gradients(
        lambda v: convolve(power * convolve(v)), convolve(power * field), iterations=FIRST, tolerance=0.01
    )
    return chi * inside


def _fast(
    field: torch.Tensor,
    inside: torch.Tensor,
    kernel: torch.Tensor,
    voxel_size: Sequence[float],
    divided: torch.Tensor,
) -> torch.Tensor:
    shape = as_size(field.shape)
    strength = kernel.abs().clamp_min(1e-6).log()
    low, high = (_percentile(strength.flatten(), share) for share in TRUSTED)
    trust = ((strength - low) / (high - low)).clamp(0.0, 1.0)
    trust = trust + (1.0 - trust) * sphere_spectrum(shape, RADIUS, voxel_size, field.device)
    chi = irfft(rfft(field) * kernel.sign() * trust, shape) * inside
    chi = irfft(rfft(chi) * trust, shape)
    # A straight line that fits the map to the divided one.
    x, y = chi[inside], divided[inside]
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum().clamp_min(1e-30))
    return (slope * (chi - x.mean()) + y.mean()) * inside


def _without_edges(chi: torch.Tensor, inside: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """(3, X, Y, Z), one where `chi` is even, zero at its edges and at the surface of the mask."""
    slopes = gradient(chi, voxel_size).abs()
    linked = torch.stack([inside & torch.roll(inside, -1, axis) for axis in range(3)])
    return torch.stack([_falling(a, b, EDGES) * b for a, b in zip(slopes, linked, strict=True)])


def _falling(values: torch.Tensor, where: torch.Tensor, percentiles: tuple[float, float]) -> torch.Tensor:
    """One up to the first of the percentiles of `values` within `where`, falling to zero at the second."""
    if not bool(where.any()):
        return torch.zeros_like(values)
    low, high = (_percentile(values[where], share) for share in percentiles)
    return ((high - values) / max(high - low, 1e-12)).clamp(0.0, 1.0)


def _percentile(values: torch.Tensor, share: float) -> float:
    return float(values.kthvalue(max(1, round(share / 100.0 * values.numel()))).values)
