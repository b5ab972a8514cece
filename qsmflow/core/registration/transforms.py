"""Rigid world transforms: how far two differ, and FSL's way of writing them.

A world transform is (4, 4), float64, and takes world points (RAS mm) of the reference to world points of the moving
image, the direction in which an image is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from qsmflow.core.geometry import rotation_angle

Matrix = Tensor | NDArray[Any] | Sequence[Sequence[float]]


def as_matrix(matrix: Matrix) -> Tensor:
    """Return a (4, 4) float64 tensor on the CPU.

    Raises
    ------
    ValueError
        Not a finite, invertible affine matrix of that shape.
    """
    out = torch.as_tensor(matrix).to("cpu", torch.float64)
    if out.shape != (4, 4) or not bool(torch.isfinite(out).all()) or float(torch.linalg.det(out)) == 0:
        raise ValueError("expected a finite, invertible 4x4 affine matrix")
    return out


def rotation_error_deg(a: Matrix, b: Matrix) -> float:
    """Angle, degrees, of the rotation that lies between two rigid transforms."""
    return rotation_angle(torch.linalg.inv(as_matrix(a)) @ as_matrix(b))


def translation_error_mm(a: Matrix, b: Matrix, point: Sequence[float]) -> float:
    """Distance, mm, between where two transforms put `point` (world mm; take the centre of the brain)."""
    at = torch.tensor([*point, 1.0], dtype=torch.float64)
    return float(((as_matrix(a) - as_matrix(b)) @ at)[:3].norm())


def _to_fsl_mm(affine: Matrix, shape: Sequence[int]) -> Tensor:
    """World mm to the scaled mm of FSL: voxel index times voxel size, x counted from the other end where det > 0."""
    matrix = as_matrix(affine)
    size = matrix[:3, :3].norm(dim=0)
    scaled = torch.diag(torch.cat([size, torch.ones(1, dtype=torch.float64)]))
    if float(torch.linalg.det(matrix)) > 0:
        scaled[0, 0], scaled[0, 3] = -size[0], (shape[0] - 1) * size[0]
    return scaled @ torch.linalg.inv(matrix)


def flirt_to_world(
    flirt: Matrix,
    moving_affine: Matrix,
    moving_shape: Sequence[int],
    reference_affine: Matrix,
    reference_shape: Sequence[int],
) -> Tensor:
    """Turn FLIRT's matrix into a world transform.

    Parameters
    ----------
    flirt
        (4, 4) as written by ``flirt -omat``: scaled mm of the moving image to scaled mm of the reference.
    moving_affine, reference_affine
        (4, 4) voxel to world mm.
    moving_shape, reference_shape
        Voxels an axis.

    Returns
    -------
    Tensor
        (4, 4) float64, world mm of the reference to world mm of the moving image.

    Source
    ------
    FSL FLIRT user guide, "What is the format of the matrix used by FLIRT": mm, x flipped for neurological storage.
    """
    back = torch.linalg.inv(as_matrix(flirt))
    to_moving = torch.linalg.inv(_to_fsl_mm(moving_affine, moving_shape))
    return to_moving @ back @ _to_fsl_mm(reference_affine, reference_shape)


def world_to_flirt(
    world: Matrix,
    moving_affine: Matrix,
    moving_shape: Sequence[int],
    reference_affine: Matrix,
    reference_shape: Sequence[int],
) -> Tensor:
    """Turn a world transform into FLIRT's matrix; the inverse of `flirt_to_world`, with its parameters."""
    back = torch.linalg.inv(as_matrix(world))
    from_moving = torch.linalg.inv(_to_fsl_mm(moving_affine, moving_shape))
    return _to_fsl_mm(reference_affine, reference_shape) @ back @ from_moving
