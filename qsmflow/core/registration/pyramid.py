"""One level of the registration: magnitude and mask on an isotropic grid, normalised, with what Gauss-Newton needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qsmflow.core.mask.intensity import to_isotropic
from qsmflow.core.smooth import gaussian

#: Standard deviation, mm, of the Gaussian that takes the local mean with the outline, and mean and variance without.
WIDE_MM, NARROW_MM = 25.0, 8.0
#: Standard deviation, voxels, of the smoothing before the normalisation: noise in the gradients costs more accuracy
#: than blur does. And the part of the typical spread that damps where the image is flat and its spread noise.
SOFT, FLAT = 1.0, 0.5
#: Room left round the brain, mm.
MARGIN_MM = 24.0
#: Normalised values beyond this many standard deviations (skull, vessels) are cut off.
CLIP = 3.0


@dataclass(frozen=True)
class Level:
    """An image of one level.

    Attributes
    ----------
    data
        (2, X, Y, Z): normalised magnitude, zero outside the brain, and the share of brain in a voxel.
    affine
        (4, 4) float64, voxel to world mm.
    points
        (N, 3) voxels compared, world mm.
    values
        (N,) normalised magnitude there.
    brain
        (N,) bool, which of them are of the brain.
    jacobian
        (N, 6) its derivative by a rotation about `centre`, 1/rad, and by a shift, 1/mm.
    centre
        (3,) float64, centroid of the brain, world mm.
    outline
        Whether the brain's outline takes part.
    """

    data: Tensor
    affine: Tensor
    points: Tensor
    values: Tensor
    brain: Tensor
    jacobian: Tensor
    centre: Tensor
    outline: bool


def build_level(image: Tensor, mask: Tensor, affine: Tensor, spacing: float, *, outline: bool) -> Level:
    """Bring a magnitude (X, Y, Z) and its brain mask, voxel to world by `affine`, to an isotropic grid of `spacing` mm.

    With `outline` the brain keeps its shape: magnitude over its wide local mean, zero outside. Without, the magnitude
    has local mean 0 and variance 1, taken over the brain alone, and only voxels of the brain are compared.
    """
    size = affine[:3, :3].norm(dim=0)
    found = [torch.nonzero(mask.any(dim=a).any(dim=b)).flatten() for a, b in ((1, 1), (0, 1), (0, 0))]
    room = [round(MARGIN_MM / float(s)) for s in size]
    low = [max(0, int(f[0]) - r) for f, r in zip(found, room, strict=True)]
    high = [int(f[-1]) + r + 1 for f, r in zip(found, room, strict=True)]
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    x, y, z = size.tolist()
    data, share = (
        torch.from_numpy(to_isotropic(v[window].to("cpu", torch.float32).numpy(), (x, y, z), spacing)).to(image.device)
        for v in (image, mask)
    )
    to_fine = torch.eye(4, dtype=torch.float64)
    to_fine[:3, :3] = torch.diag(spacing / size)
    to_fine[:3, 3] = (spacing / size - 1) / 2 + torch.tensor(low)
    grid = affine @ to_fine
    data = _over_local_mean(data, share, spacing) if outline else _standardised(data, share, spacing)
    if not outline:  # the rim, whose gradient reaches beyond the mask, would pull by where the mask was drawn
        share = -functional.max_pool3d(-share[None], 3, stride=1, padding=1)[0]
    inside = torch.ones_like(share, dtype=torch.bool) if outline else share > 0.5
    voxels = torch.nonzero(inside)
    here = grid.to(data)
    points = voxels.to(data) @ here[:3, :3].T + here[:3, 3]
    centre = affine[:3, :3] @ torch.nonzero(mask).cpu().double().mean(0) + affine[:3, 3]
    slope = torch.stack([g[inside] for g in torch.gradient(data)], dim=1) @ torch.linalg.inv(here[:3, :3])
    jacobian = torch.cat([torch.linalg.cross(points - centre.to(points), slope), slope], dim=1)
    return Level(torch.stack([data, share]), grid, points, data[inside], share[inside] > 0.5, jacobian, centre, outline)


def _over_local_mean(data: Tensor, share: Tensor, spacing: float) -> Tensor:
    size = (spacing,) * 3
    mean = gaussian(data * share, size, WIDE_MM) / gaussian(share, size, WIDE_MM).clamp(min=1e-3)
    return share * data / mean.clamp(min=0.05 * float(mean.max()) + 1e-30)


def _standardised(data: Tensor, share: Tensor, spacing: float) -> Tensor:
    size = (spacing,) * 3
    data = gaussian(data, size, SOFT * spacing)
    weight = gaussian(share, size, NARROW_MM)
    near = weight > 0.05
    weight = weight.clamp(min=0.05)
    mean = gaussian(data * share, size, NARROW_MM) / weight
    spread = (gaussian((data - mean).square() * share, size, NARROW_MM) / weight).clamp(min=0).sqrt()
    typical = (spread * share).sum() / share.sum()
    return near * ((data - mean) / torch.hypot(spread, FLAT * typical + 1e-30)).clamp(-CLIP, CLIP)
