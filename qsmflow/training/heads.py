"""Domain-randomised heads: any susceptibilities in a brain, and the local field that would be measured of them."""

from __future__ import annotations

import torch
from torch.nn import functional

from qsmflow.core.dipole import forward_field
from qsmflow.core.grid import as_size
from qsmflow.core.mask.morphology import depth
from qsmflow.phantom.tissues import TissueTable, read_tissues

from .anatomy import FINE, Anatomy
from .draws import Draws
from .scene import Scene

#: Labels of the tissue table ``head`` that have ranges of their own.
_VEIN, _CALCIFICATION, _HAEMORRHAGE = 11, 16, 17


def draw_scene(anatomy: Anatomy, generator: torch.Generator, *, largest: float = 1.4) -> Scene:
    """Give a brain susceptibilities, and take its local field.

    Tissues keep about their own susceptibility in two of three brains and take any in the others. Smooth texture,
    regions that differ from their surroundings, and lesions of up to `largest` either way are put on top; in a
    quarter of the brains everything is up to four times stronger. The mask is the brain less a rim of up to 3 mm, and
    sometimes less a bite of its surface; sources outside it are background, and taken for removed but for what V-SHARP
    leaves of the field of the head and what boundary sources of random size make. Three in ten have no magnitude.

    Parameters
    ----------
    anatomy
        See `draw_anatomy`.
    generator
        On the CPU.
    largest
        ppm, of lesions.
    """
    device = anatomy.labels.device
    draw = Draws(generator)
    background = anatomy.backgrounds[draw.integer(len(anatomy.backgrounds))]
    tissues = read_tissues("head")
    shape = as_size(anatomy.brain.shape)

    chi = _mean(_draw_tissue_chi(tissues, draw).to(device)[anatomy.labels.int()])
    magnitude = _mean(_draw_magnitude(tissues, draw).to(device)[anatomy.labels.int()])
    chi = chi + draw.up_to(0.012) * draw.smooth(shape, draw.between(2.0, 12.0), device)
    chi = chi + draw.up_to(0.03) * (draw.smooth(shape, draw.between(6.0, 25.0), device) > draw.between(0.3, 1.5))
    # no field tells of what all of the brain has in common
    chi = chi - chi[anatomy.brain].mean() + draw.between(-0.015, 0.015)
    chi = _with_lesions(chi, anatomy, draw, largest)
    if draw.chance(0.25):
        chi = chi * draw.between(1.0, 4.0)
    chi = chi.clamp(-max(largest, 0.5), max(largest, 0.5))

    mask = _draw_mask(anatomy, draw)
    chi = torch.where(mask, chi, 0.0)
    rim = _draw_rim(mask, draw)
    clean, harmonic = torch.where(
        mask, forward_field(torch.stack([chi, rim]), anatomy.voxel_size, background.b0_dir), 0.0
    )
    magnitude = magnitude * torch.exp(0.3 * draw.smooth(shape, 60.0, device))
    magnitude = torch.where(mask, magnitude / magnitude[mask].median(), 0.0)
    noise = torch.where(mask, draw.log_between(2e-4, 8e-3) / magnitude.clamp_min(0.05), 0.0)
    field = clean + noise * draw.normal(shape, device)
    if draw.chance(0.75):
        field = field + draw.between(-2.0, 6.0) * background.left
    if draw.chance(0.75):
        field = field + draw.up_to(0.4) * clean[mask].std() / harmonic[mask].std() * harmonic
    field = torch.where(mask, field, 0.0)
    if draw.chance(0.3):
        magnitude = mask.float()
    return Scene(field, mask, noise, magnitude, clean, chi, anatomy.voxel_size, background.b0_dir)


def _mean(points: torch.Tensor) -> torch.Tensor:
    """Mean over the points of each voxel."""
    return functional.avg_pool3d(points[None], FINE)[0]


def _draw_tissue_chi(tissues: TissueTable, draw: Draws) -> torch.Tensor:
    """Susceptibility by label, ppm, (256,)."""
    chi = tissues.column("chi").nan_to_num()
    if draw.chance(0.66):
        chi = chi * (0.6 + 0.9 * draw.uniform(256)) + 0.01 * draw.normal((256,))
    else:
        chi = draw.between(0.02, 0.12) * draw.normal((256,))
    chi[_VEIN] = draw.between(0.05, 0.45)
    chi[_HAEMORRHAGE] = draw.between(0.1, 1.4)
    chi[_CALCIFICATION] = -draw.between(0.1, 1.4)
    return chi


def _draw_magnitude(tissues: TissueTable, draw: Draws) -> torch.Tensor:
    """Signal by label at a random echo time, (256,)."""
    te = draw.between(0.008, 0.035)
    signal = tissues.column("m0") * torch.exp(-te * tissues.r2star(draw.between(1.5, 7.0)))
    return signal.nan_to_num() * (0.8 + 0.4 * draw.uniform(256))


def _with_lesions(chi: torch.Tensor, anatomy: Anatomy, draw: Draws, largest: float) -> torch.Tensor:
    """Ellipsoids at random places of the brain, most of them weak."""
    inside = torch.nonzero(anatomy.brain)
    size = torch.tensor(anatomy.voxel_size, device=chi.device)
    for _ in range(draw.integer(8)):
        centre = inside[draw.integer(len(inside))]
        radii = draw.log_between(1.0, 9.0) * torch.tensor([draw.between(0.6, 1.4) for _ in range(3)])
        value = draw.log_between(0.03, largest) * draw.sign()
        low = (centre - (radii.to(size) / size).ceil() - 1).clamp_min(0).int().tolist()
        high = (centre + (radii.to(size) / size).ceil() + 2).int().tolist()
        where = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        block = chi[where]
        axes = [
            (torch.arange(a, a + n, device=chi.device) - c) * d / r
            for a, n, c, d, r in zip(low, block.shape, centre, size, radii.to(size), strict=True)
        ]
        distance = (axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2).sqrt()
        # about the share of a voxel that lies within
        share = ((1.0 - distance) * float(radii.mean() / size.mean().cpu()) + 0.5).clamp(0.0, 1.0)
        block += share * (value - block)
    return chi


def _draw_mask(anatomy: Anatomy, draw: Draws) -> torch.Tensor:
    """The brain less a rim, and sometimes less what is near random places of its surface."""
    deep = depth(anatomy.brain, anatomy.voxel_size)
    mask = anatomy.brain & (deep >= draw.up_to(3.0))
    if draw.chance(0.3):
        rough = draw.smooth(as_size(deep.shape), draw.between(8.0, 30.0), deep.device)
        mask &= deep > draw.up_to(10.0) * (rough - 1.0)
    return mask


def _draw_rim(mask: torch.Tensor, draw: Draws) -> torch.Tensor:
    """Random sources just outside the mask, whose field is harmonic in it."""
    near = functional.max_pool3d(mask[None].float(), 5, stride=1, padding=2)[0] > 0
    return draw.smooth(as_size(mask.shape), draw.between(3.0, 30.0), mask.device) * (near & ~mask)
