"""The embedded registration: a search over rotations, then Gauss-Newton from coarse to fine; rigid, or affine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from qsmflow.core.mask import brain_mask

from .pyramid import Level, build_level
from .transforms import Matrix, as_matrix

#: Rotations tried about each axis, degrees; with the width of the basin at 8 mm they cover 60 degrees about any axis.
TRIED_DEG = (-45.0, -22.5, 0.0, 22.5, 45.0)
#: How many of the tried rotations are refined on the coarsest level.
REFINED = 6
#: Grid of each level, mm, coarse to fine.
SPACINGS = (8.0, 4.0, 2.0, 1.0)
#: Steps of each level at most, and the step, mm at 60 mm from the centre, below which it ends.
STEPS, SMALL_STEP_MM = 30, 0.002
#: Standard deviation within the mask, over the mean, up to which a magnitude has no contrast but that of rounding.
FLAT = 1e-4
#: Levels at or above this spacing compare brains with their outline; those below it the tissue within only.
OUTLINE_MM = 4.0


@dataclass(frozen=True)
class RigidResult:
    """What `rigid_register` or `affine_register` found.

    Attributes
    ----------
    transform
        (4, 4) float64 on the CPU, world mm of the reference to world mm of the moving image.
    correlation
        Of the two locally normalised magnitudes within both masks on the finest level, 1 where they are equal.
    overlap
        Share of the reference mask that the registered moving mask covers, 1 where it covers all.
    """

    transform: Tensor
    correlation: float
    overlap: float


def rigid_register(
    moving: Tensor,
    moving_affine: Matrix,
    reference: Tensor,
    reference_affine: Matrix,
    moving_mask: Tensor | None = None,
    reference_mask: Tensor | None = None,
) -> RigidResult:
    """Register two magnitudes of one head rigidly.

    Only the brain takes part: it moves as one, the neck does not. Rotations up to 60 degrees about the brains'
    centroids are searched at 8 mm, the best refined by Gauss-Newton at 8, 4, 2 and 1 mm. From 2 mm on the magnitudes
    are normalised to local mean 0 and variance 1 inside the brain, so that the shading of coils that stay with the
    scanner drops out.

    Parameters
    ----------
    moving, reference
        (X, Y, Z) magnitudes, any unit, grids of their own.
    moving_affine, reference_affine
        (4, 4) voxel to world mm (RAS), oblique and anisotropic as they come.
    moving_mask, reference_mask
        (X, Y, Z) bool brain masks; found by `brain_mask` where not given.

    Returns
    -------
    RigidResult
        Transform and how well the images agree. Peak memory about 12 float32 volumes of 1 mm voxels.

    Raises
    ------
    ValueError
        An affine that is none, a mask that is empty or of another shape, a magnitude without contrast in it, or masks
        that do not come to overlap.

    Source
    ------
    Inverse compositional Gauss-Newton: S. Baker and I. Matthews, Int J Comput Vis 56:221 (2004), section 3.2.
    """
    pairs = _brains(moving, moving_affine, moving_mask, reference, reference_affine, reference_mask)
    finest = min(float(matrix[:3, :3].norm(dim=0).min()) for _, _, matrix in pairs)
    return _descend(pairs, [s for s in SPACINGS if s == SPACINGS[0] or s > 0.9 * finest], affine=False)


def affine_register(
    moving: Tensor,
    moving_affine: Matrix,
    reference: Tensor,
    reference_affine: Matrix,
    moving_mask: Tensor | None = None,
    reference_mask: Tensor | None = None,
) -> RigidResult:
    """Register the brains of two heads, or of a head and a template, by an affine transform.

    As `rigid_register` on its levels of 8 and 4 mm, which compare brains by their outline and by what is dark or bright
    inside for its surroundings; then size and shear are free as well, 12 parameters in all. Parameters, result, errors
    and source are those of `rigid_register`.
    """
    pairs = _brains(moving, moving_affine, moving_mask, reference, reference_affine, reference_mask)
    return _descend(pairs, [s for s in SPACINGS if s >= OUTLINE_MM], affine=True)


def _descend(pairs: Sequence[tuple[Tensor, Tensor, Tensor]], spacings: Sequence[float], *, affine: bool) -> RigidResult:
    """Search rotations on the first level, and refine on the others, or with `affine` on all."""
    transform = None
    for spacing in spacings:
        outline = spacing >= OUTLINE_MM
        moved, fixed = (build_level(image, mask, matrix, spacing, outline=outline) for image, mask, matrix in pairs)
        searched = transform is None
        if transform is None:
            transform = _search(moved, fixed)
        if affine or not searched:
            transform = _refine(moved, fixed, transform, affine=affine)
    assert transform is not None
    return RigidResult(transform, *_agreement(moved, fixed, transform))


def _brains(
    moving: Tensor,
    moving_affine: Matrix,
    moving_mask: Tensor | None,
    reference: Tensor,
    reference_affine: Matrix,
    reference_mask: Tensor | None,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Magnitude, mask and affine of both, once they are fit to be registered."""
    pairs = []
    for name, image, affine, mask in (
        ("moving", moving, moving_affine, moving_mask),
        ("reference", reference, reference_affine, reference_mask),
    ):
        matrix = as_matrix(affine)
        if mask is None:
            x, y, z = matrix[:3, :3].norm(dim=0).tolist()
            mask = brain_mask(image, (x, y, z))
        if mask.shape != image.shape:
            raise ValueError(f"{name}: mask {tuple(mask.shape)} and magnitude {tuple(image.shape)} differ in shape")
        if not bool(mask.any()):
            raise ValueError(f"{name}: the mask is empty; nothing to register")
        values = image[mask].to(torch.float32)
        if not float(values.std(correction=0)) > FLAT * float(values.abs().mean()):
            raise ValueError(f"{name}: the magnitude has no contrast in its mask; look at the image")
        pairs.append((image.to(torch.float32), mask, matrix))
    return pairs


def _search(moving: Level, reference: Level) -> Tensor:
    """Best transform of the coarsest level over all rotations tried."""
    tried = []
    for turn in itertools.product(TRIED_DEG, repeat=3):
        start = _about(torch.deg2rad(torch.tensor(turn, dtype=torch.float64)), reference.centre, moving.centre)
        tried.append((_mismatch(moving, reference, start), turn, start))
    refined = [_refine(moving, reference, start) for _, _, start in sorted(tried, key=lambda t: t[0])[:REFINED]]
    return min(refined, key=lambda transform: _mismatch(moving, reference, transform))


def _about(turn: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Rotation by the vector `turn` (rad) about `source`, which it takes to `target`."""
    x, y, z = turn.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    out = torch.eye(4, dtype=torch.float64)
    out[:3, :3] = torch.linalg.matrix_exp(cross)
    out[:3, 3] = target - out[:3, :3] @ source
    return out


def _sample(moving: Level, reference: Level, transform: Tensor) -> tuple[Tensor, Tensor]:
    """Values and mask (N,) of the moving level at the reference's points, and zero outside its grid."""
    to_voxel = torch.linalg.inv(moving.affine) @ transform
    to_voxel = to_voxel.to(reference.points)
    at = reference.points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    size = torch.tensor(moving.data.shape[1:], dtype=at.dtype, device=at.device)
    grid = (2 * at / (size - 1) - 1).flip(-1)[None, None, None]
    values = functional.grid_sample(moving.data[None], grid, align_corners=True)[0, :, 0, 0]
    return values[0], values[1]


def _mismatch(moving: Level, reference: Level, transform: Tensor) -> float:
    """Mean squared difference over the reference's points."""
    values, _ = _sample(moving, reference, transform)
    return float((values - reference.values).square().mean())


def _refine(moving: Level, reference: Level, transform: Tensor, *, affine: bool = False) -> Tensor:
    """Gauss-Newton steps of one level, from `transform`: of a rotation and a shift, or of a matrix and a shift."""
    centre = reference.centre
    jacobian = _free(reference) if affine else reference.jacobian
    free = jacobian.shape[1]
    for _ in range(STEPS):
        values, weight = _sample(moving, reference, transform)
        if reference.outline:
            weight = torch.ones_like(weight)
        weighted = jacobian * weight[:, None]
        hessian = (weighted.T @ jacobian).to("cpu", torch.float64)
        slope = (weighted.T @ (values - reference.values)).to("cpu", torch.float64)
        if float(torch.linalg.matrix_rank(hessian)) < free:
            raise ValueError("the magnitudes show no contrast to register by; look at the brain masks")
        step = torch.linalg.solve(hessian, slope)
        moved = _stretched(step, centre) if affine else _about(step[:3], centre, centre + step[3:])
        transform = transform @ torch.linalg.inv(moved)
        if float((step[:-3] * 60).norm() + step[-3:].norm()) < SMALL_STEP_MM:
            break
    return transform


def _free(level: Level) -> Tensor:
    """Derivative (N, 12) of the values by the matrix about the centre, row by row, 1, and by a shift, 1/mm."""
    slope, arm = level.jacobian[:, 3:], level.points - level.centre.to(level.points)
    return torch.cat([(slope[:, :, None] * arm[:, None]).flatten(1), slope], dim=1)


def _stretched(step: Tensor, centre: Tensor) -> Tensor:
    """The transform of the 12 parameters of `_free`."""
    out = torch.eye(4, dtype=torch.float64)
    out[:3, :3] += step[:9].reshape(3, 3)
    out[:3, 3] = centre + step[9:] - out[:3, :3] @ centre
    return out


def _agreement(moving: Level, reference: Level, transform: Tensor) -> tuple[float, float]:
    """Correlation within both masks, and share of the reference's brain that the moving mask covers."""
    values, weight = _sample(moving, reference, transform)
    both = (weight > 0.5) & reference.brain
    correlation = float(torch.corrcoef(torch.stack([values[both], reference.values[both]]))[0, 1])
    if not math.isfinite(correlation):
        raise ValueError("the magnitudes have no contrast where both masks are; look at images and masks")
    return correlation, float(both.sum() / reference.brain.sum())
