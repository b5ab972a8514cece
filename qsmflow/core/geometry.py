"""Directions and rotations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

#: (3, 3) or (4, 4), in any form that torch reads.
Matrix = torch.Tensor | np.ndarray | Sequence[Sequence[float]]
#: Voxels; grids whose corners lie further apart are not one grid.
SAME_PLACE = 0.05


def _directions(affine: Matrix) -> torch.Tensor:
    """Orthonormal direction cosines (3, 3) of a NIfTI affine, column j the world direction of voxel axis j."""
    matrix = torch.as_tensor(affine, dtype=torch.float64)[:3, :3]
    scaled = matrix / matrix.norm(dim=0, keepdim=True)
    u, _, v = torch.linalg.svd(scaled)
    return u @ v


def b0_direction(affine: Matrix) -> tuple[float, float, float]:
    """Direction of B0 in voxel axes: the scanner's z axis, ``R^T (0, 0, 1)``, seen from the image.

    Parameters
    ----------
    affine
        (4, 4), voxel to scanner RAS mm, as in a NIfTI header.

    Returns
    -------
    tuple
        Unit vector.
    """
    x, y, z = (_directions(affine).T @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)).tolist()
    return x, y, z


def grids_apart(affine: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> float:
    """The largest distance, mm, that two affines (4, 4) lay between the corners of a grid of `shape`, (X, Y, Z)."""
    corners = np.array(list(itertools.product(*[(0, n) for n in shape], (1,))))
    return float(np.linalg.norm((corners @ (affine - other).T)[:, :3], axis=1).max())


def turn_to_reference(
    b0_dir: Sequence[float],
    affine: Matrix,
    transform: Matrix,
    reference_affine: Matrix,
) -> tuple[float, float, float]:
    """Direction of B0 of one orientation in the voxel axes of the reference.

    Parameters
    ----------
    b0_dir
        Direction of B0 in the voxel axes of the orientation.
    affine, reference_affine
        (4, 4) of the orientation and of the reference, voxel to world mm.
    transform
        (4, 4), rigid, taking world points of the reference to world points of the orientation.

    Returns
    -------
    tuple
        Unit vector.
    """
    world = _directions(affine) @ torch.as_tensor(b0_dir, dtype=torch.float64)
    rotation = torch.as_tensor(transform, dtype=torch.float64)[:3, :3]
    turned = _directions(reference_affine).T @ (rotation.T @ world)
    x, y, z = (turned / turned.norm()).tolist()
    return x, y, z


def rotation_angle(transform: Matrix) -> float:
    """Angle, degrees, of the rotation in a rigid (3, 3) or (4, 4) transform."""
    matrix = torch.as_tensor(transform, dtype=torch.float64)[:3, :3]
    skew = torch.stack([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    return float(torch.rad2deg(torch.atan2(skew.norm(), torch.trace(matrix) - 1.0)))


def obliquity(affine: Matrix) -> float:
    """Angle, degrees, between the image's axes and the scanner's: the largest over the three axes."""
    nearest = _directions(affine).abs().max(dim=0).values.clamp(max=1.0)
    return float(torch.rad2deg(torch.acos(nearest)).max())
