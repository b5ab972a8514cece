"""Background removal by V-SHARP."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from ..box import Box
from ..dipole import dipole_kernel
from ..grid import as_size, pad_to
from ..solve import Progress, conjugate_gradients
from .spheres import sphere_room, sphere_spectrum

#: Sides of the blocks of sources as a share of the largest radius, at most: the fit is for waves of that length.
_LARGEST_BLOCK = 1.0 / 6.0
#: Added to the squared transfer function whose inverse preconditions the fit. A third and three times as much serve as
#: well; without preconditioning the fit takes four times the iterations.
_PRECONDITIONER = 0.01
#: The fit of a thin mask gets here in few iterations, and after that follows rounding errors.
_CONVERGED = 1e-4


def vsharp(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    max_radius: float = 12.0,
    min_radius: float = 1.0,
    deconvolution: str = "fit",
    iterations: int = 15,
    block: float = 2.0,
    threshold: float = 0.05,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field by the spherical mean value property with the largest sphere that fits at each voxel.

    A field from sources outside a sphere equals its mean over it, so `field` minus its spherical mean keeps inner
    sources only. Each voxel takes the largest radius whose sphere stays in the mask, r(x), and the local field is
    sought that makes these differences, ``(1 - S_r(x)) local = (1 - S_r(x)) field``.

    `deconvolution` says how. "inverse", as published, divides by the kernel of the largest radius everywhere, which is
    right only where that radius fits: towards the surface the small spheres hold little of the long waves of the local
    field, and these are lost. "fit" takes each voxel's own sphere. It writes the local field as that of sources in the
    mask, ``local = D * chi``, finds the least-squares chi by conjugate gradients from zero on a grid of blocks of
    voxels, and returns `field` less the spherical mean of what the sources leave of it,
    ``(1 - S_r(x)) field + S_r(x) (D * chi)``.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes; "fit" alone uses it.
    max_radius, min_radius
        Largest and smallest sphere, mm, neither below the shortest side of a voxel, since a smaller sphere holds
        nothing but its centre. "inverse" takes one radius a voxel length in between, "fit" every half of the last.
        The mask loses a rim of `min_radius`, and of one voxel along each axis.
    deconvolution
        "fit" or "inverse".
    iterations
        Of the fit, which stops there, or where it has converged; fewer leave long waves out.
    block
        mm: sides of the blocks of the fit, to whole voxels, and a sixth of `max_radius` at most. The long waves that
        the fit is for are found nearly as well in blocks of 2 mm as in voxels of 1 mm, which take five times as long;
        what differs lies at the rim of the mask.
    threshold
        "inverse" drops spatial frequencies whose kernel is below this.
    progress
        Called after each iteration of the fit.

    Returns
    -------
    local, eroded
        Local field, ppm, zero outside `eroded`; and where it is valid, bool. Peak memory is below 24 volumes; the
        fit costs about 4 FFT pairs of the box around the mask, and 7 of its grid of blocks in every iteration.

    Raises
    ------
    ValueError
        The mask is empty, nothing of it is deeper than `min_radius`, or a setting is impossible.

    References
    ----------
    Schweser et al., NeuroImage 2011 (SHARP); Wu et al., Magn Reson Med 2012 (varying radius); Chatnuntawech et al.,
    NMR Biomed 2017 (varying spheres in the model that is fitted).
    """
    if not bool(mask.any()):
        raise ValueError("the mask is empty")
    if max_radius < min_radius:
        raise ValueError(f"max_radius {max_radius} is below min_radius {min_radius}")
    if deconvolution not in ("fit", "inverse"):
        raise ValueError(f"deconvolution must be 'fit' or 'inverse', got {deconvolution!r}")
    side = min(float(d) for d in voxel_size)
    min_radius, max_radius = max(min_radius, side), max(max_radius, side)
    inside = sphere_room(mask, voxel_size, max_radius)
    radii = _halves(max_radius, min_radius) if deconvolution == "fit" else _ladder(max_radius, min_radius, side)
    radii = [radius for radius in radii if bool((inside >= radius).any())]
    if not radii:
        raise ValueError(
            f"no voxel of the mask is deeper than min_radius = {min_radius:g} mm; lower min_radius, or widen the mask"
        )
    spheres = _Spheres.within(mask, inside, radii, voxel_size)
    content = torch.where(spheres.mask, spheres.box.cut(field), 0.0)
    if deconvolution == "fit":
        dipole = dipole_kernel(spheres.box.padded, voxel_size, b0_dir, device=field.device)
        sources = _sources(content, spheres, b0_dir, block, iterations, progress)
        local = _with_long_waves(content, sources, spheres, dipole)
    else:
        local = _divide(content, spheres, threshold)
    return spheres.box.put(local, field.shape), inside >= radii[-1]


def _ladder(largest: float, smallest: float, side: float) -> list[float]:
    step = max(side, 1.0)
    return [largest - i * step for i in range(math.ceil((largest - smallest) / step - 1e-6))] + [smallest]


def _halves(largest: float, smallest: float) -> list[float]:
    """`largest`, its half, its quarter … and `smallest`, which takes the place of a radius less than 1.5 times it."""
    radii = [largest]
    while radii[-1] / 2.0 >= 1.5 * smallest:
        radii.append(radii[-1] / 2.0)
    return [*radii, smallest] if radii[-1] > smallest else radii


@dataclass(frozen=True)
class _Spheres:
    """The spheres in a mask: at a voxel of depth `inside` the largest of `radii`, which descend, that fits.

    Volumes are the content of `box`, whose grid has room for the largest.
    """

    radii: Sequence[float]
    mask: torch.Tensor
    inside: torch.Tensor
    box: Box
    voxel_size: Sequence[float]

    @classmethod
    def within(
        cls, mask: torch.Tensor, inside: torch.Tensor, radii: Sequence[float], voxel_size: Sequence[float]
    ) -> _Spheres:
        """Those in `mask`, (X, Y, Z), of depths `inside`."""
        box = Box.around(mask, [math.ceil(radii[0] / float(d)) for d in voxel_size])
        return cls(radii, box.cut(mask), box.cut(inside), box, voxel_size)

    def high_pass(self, radius: float) -> torch.Tensor:
        """Half spectrum of the difference between a voxel and its spherical mean."""
        return 1.0 - sphere_spectrum(self.box.padded, radius, self.voxel_size, self.inside.device)

    def shell(self, index: int) -> torch.Tensor:
        """Where radius `index` is the one."""
        shell = self.inside >= self.radii[index]
        return shell & (self.inside < self.radii[index - 1]) if index else shell

    def differences(self, spectrum: torch.Tensor, kernels: Iterable[torch.Tensor] | None = None) -> torch.Tensor:
        """What a field of `spectrum` has beyond the mean over each voxel's sphere.

        `kernels` are the high passes of all radii where they are at hand; else they are made one by one.
        """
        found = torch.zeros(self.inside.shape, device=self.inside.device)
        for index, kernel in enumerate(kernels or map(self.high_pass, self.radii)):
            found.addcmul_(self.box.content(spectrum * kernel), self.shell(index))
        return found


def _divide(field: torch.Tensor, spheres: _Spheres, threshold: float) -> torch.Tensor:
    box = spheres.box
    difference = spheres.differences(box.spectrum(field))
    high_pass = spheres.high_pass(spheres.radii[0])
    inverse = torch.where(high_pass.abs() > threshold, 1.0 / high_pass, 0.0)
    return box.content(box.spectrum(difference) * inverse) * (spheres.inside >= spheres.radii[-1])


def _with_long_waves(
    field: torch.Tensor, sources: torch.Tensor, spheres: _Spheres, dipole: torch.Tensor
) -> torch.Tensor:
    """The field of `sources`, and what `field` has beyond it and beyond the spherical mean of the rest."""
    box = spheres.box
    modelled = box.spectrum(sources).mul_(dipole)
    local = box.content(modelled)
    local += spheres.differences(box.spectrum(field).sub_(modelled))
    return local * (spheres.inside >= spheres.radii[-1])


def _sources(
    field: torch.Tensor,
    spheres: _Spheres,
    b0_dir: Sequence[float],
    side: float,
    iterations: int,
    progress: Progress | None,
) -> torch.Tensor:
    """Sources, of one value in every block of voxels, whose field has the differences of `field`."""
    largest, smallest = spheres.radii[0], spheres.radii[-1]
    for block in (_block(min(side, _LARGEST_BLOCK * largest), spheres.voxel_size), (1, 1, 1)):
        share = _block_means(spheres.mask.float(), block)
        mask = share >= 0.5
        voxel_size = [n * float(d) for n, d in zip(block, spheres.voxel_size, strict=True)]
        inside = sphere_room(mask, voxel_size, largest)
        radii = [r for r in _halves(largest, max(smallest, *voxel_size)) if bool((inside >= r).any())]
        if radii:
            break  # else too thin for blocks
    coarse = _Spheres.within(mask, inside, radii, voxel_size)
    mean = coarse.box.cut(_block_means(field, block) / share.clamp_min(0.5)) * coarse.mask
    chi = coarse.box.put(_fit(mean, coarse, b0_dir, iterations, progress), mask.shape)
    for axis, n in enumerate(block):
        chi = chi.repeat_interleave(n, axis)
    x, y, z = field.shape
    return chi[:x, :y, :z] * spheres.mask


def _block(side: float, voxel_size: Sequence[float]) -> tuple[int, int, int]:
    x, y, z = (max(1, round(side / float(d))) for d in voxel_size)
    return x, y, z


def _block_means(volume: torch.Tensor, block: tuple[int, int, int]) -> torch.Tensor:
    """Means over blocks of voxels; beyond the volume is nothing."""
    shape = [-(-n // b) * b for n, b in zip(volume.shape, block, strict=True)]
    return torch.nn.functional.avg_pool3d(pad_to(volume, as_size(shape))[None], block)[0]


def _fit(
    field: torch.Tensor, spheres: _Spheres, b0_dir: Sequence[float], iterations: int, progress: Progress | None
) -> torch.Tensor:
    box = spheres.box
    dipole = dipole_kernel(box.padded, spheres.voxel_size, b0_dir, device=field.device)
    kernels = [spheres.high_pass(radius) for radius in spheres.radii]

    def adjoint(found: torch.Tensor) -> torch.Tensor:
        spectrum = torch.zeros_like(dipole, dtype=torch.complex64)
        for index, kernel in enumerate(kernels):
            spectrum.addcmul_(box.spectrum(found * spheres.shell(index)), kernel)
        return box.content(spectrum.mul_(dipole)) * spheres.mask

    # Deep in the mask, where most voxels lie, the model is a plain filter; its inverse brings the long waves up.
    sharpen = 1.0 / ((dipole * kernels[0]).square() + _PRECONDITIONER)
    chi, _ = conjugate_gradients(
        lambda sources: adjoint(spheres.differences(box.spectrum(sources).mul_(dipole), kernels)),
        adjoint(spheres.differences(box.spectrum(field), kernels)),
        iterations=iterations,
        tolerance=_CONVERGED,
        precondition=lambda residual: box.content(box.spectrum(residual).mul_(sharpen)) * spheres.mask,
        progress=progress,
    )
    return chi
