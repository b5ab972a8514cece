"""Background removal by V-SHARP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..box import Box
from ..dipole import dipole_kernel
from ..solve import Progress, conjugate_gradients
from .spheres import sphere_room, sphere_spectrum

#: Added to the squared transfer function whose inverse preconditions the fit. A third and three times as much serve as
#: well; without preconditioning the fit takes four times the iterations.
_PRECONDITIONER = 0.01


def vsharp(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    max_radius: float = 12.0,
    min_radius: float = 1.0,
    deconvolution: str = "fit",
    iterations: int = 10,
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
    mask, ``local = D * chi``, finds the least-squares chi by conjugate gradients from zero, and returns `field` less
    the spherical mean of what the sources leave of it, ``(1 - S_r(x)) field + S_r(x) (D * chi)``.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        mm.
    b0_dir
        Direction of B0 in voxel axes; "fit" alone uses it.
    max_radius, min_radius
        Largest and smallest sphere, mm, neither below the shortest side of a voxel, since a smaller sphere holds
        nothing but its centre. "inverse" takes one radius a voxel length in between, "fit" every half of the last.
        The mask loses a rim of `min_radius`, and of one voxel along each axis.
    deconvolution
        "fit" or "inverse".
    iterations
        Of the fit, which stops there: later ones fit noise, earlier ones leave long waves out.
    threshold
        "inverse" drops spatial frequencies whose kernel is below this.
    progress
        Called after each iteration of the fit.

    Returns
    -------
    local, eroded
        Local field, ppm, zero outside `eroded`; and where it is valid, bool. Peak memory is below 24 volumes; an
        iteration of the fit costs about 7 FFT pairs of the box around the mask.

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
    inside = sphere_room(mask, voxel_size)
    side = min(float(d) for d in voxel_size)
    min_radius, max_radius = max(min_radius, side), max(max_radius, side)
    radii = _halves(max_radius, min_radius) if deconvolution == "fit" else _ladder(max_radius, min_radius, side)
    radii = [radius for radius in radii if bool((inside >= radius).any())]
    if not radii:
        raise ValueError(
            f"no voxel of the mask is deeper than min_radius = {min_radius} mm: nothing is left after erosion"
        )
    box = Box.around(mask, [math.ceil(radii[0] / float(d)) for d in voxel_size])
    within = box.cut(mask)
    spheres = _Spheres(radii, box.cut(inside), box, voxel_size)
    content = torch.where(within, box.cut(field), 0.0)
    if deconvolution == "fit":
        local = _fit(content, within, spheres, b0_dir, iterations, progress)
    else:
        local = _divide(content, spheres, threshold)
    return box.put(local, field.shape), inside >= radii[-1]


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
    """The spheres in a mask: at a voxel of depth `inside` the largest of `radii`, which descend, that fits."""

    radii: Sequence[float]
    inside: torch.Tensor
    box: Box
    voxel_size: Sequence[float]

    def high_pass(self, radius: float) -> torch.Tensor:
        """Half spectrum of the difference between a voxel and its spherical mean."""
        return 1.0 - sphere_spectrum(self.box.padded, radius, self.voxel_size, self.inside.device)

    def shell(self, index: int) -> torch.Tensor:
        """Where radius `index` is the one."""
        shell = self.inside >= self.radii[index]
        return shell & (self.inside < self.radii[index - 1]) if index else shell


def _divide(field: torch.Tensor, spheres: _Spheres, threshold: float) -> torch.Tensor:
    box = spheres.box
    spectrum = box.spectrum(field)
    difference = torch.zeros_like(field)
    for index, radius in enumerate(spheres.radii):
        high_pass = spheres.high_pass(radius)
        difference += box.content(spectrum * high_pass) * spheres.shell(index)
    high_pass = spheres.high_pass(spheres.radii[0])
    inverse = torch.where(high_pass.abs() > threshold, 1.0 / high_pass, 0.0)
    return box.content(box.spectrum(difference) * inverse) * (spheres.inside >= spheres.radii[-1])


def _fit(
    field: torch.Tensor,
    mask: torch.Tensor,
    spheres: _Spheres,
    b0_dir: Sequence[float],
    iterations: int,
    progress: Progress | None,
) -> torch.Tensor:
    box = spheres.box
    dipole = dipole_kernel(box.padded, spheres.voxel_size, b0_dir, device=field.device)
    kernels = [spheres.high_pass(radius) for radius in spheres.radii]
    shells = [spheres.shell(index) for index in range(len(kernels))]

    def differences(spectrum: torch.Tensor) -> torch.Tensor:
        found = torch.zeros_like(field)
        for kernel, shell in zip(kernels, shells, strict=True):
            found += box.content(spectrum * kernel) * shell
        return found

    def adjoint(found: torch.Tensor) -> torch.Tensor:
        spectrum = torch.zeros((), device=field.device)
        for kernel, shell in zip(kernels, shells, strict=True):
            spectrum = box.spectrum(found * shell) * kernel + spectrum
        return box.content(spectrum * dipole) * mask

    # Deep in the mask, where most voxels lie, the model is a plain filter; its inverse brings the long waves up.
    sharpen = 1.0 / ((dipole * kernels[0]).square() + _PRECONDITIONER)
    data = differences(box.spectrum(field))
    chi, _ = conjugate_gradients(
        lambda sources: adjoint(differences(box.spectrum(sources) * dipole)),
        adjoint(data),
        iterations=iterations,
        precondition=lambda residual: box.content(box.spectrum(residual) * sharpen) * mask,
        progress=progress,
    )
    sources = box.spectrum(chi) * dipole
    return (data + box.content(sources) - differences(sources)) * (spheres.inside >= spheres.radii[-1])
