"""Directions and rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qsmflow.core.geometry import b0_direction, obliquity, rotation_angle, turn_to_reference

ANGLES = st.tuples(*[st.floats(-60, 60)] * 3)


def affine(angles: tuple[float, ...], voxel_size: tuple[float, ...] = (1, 1, 1), flip: bool = False) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(voxel_size)
    if flip:
        matrix[:, 0] *= -1
    return matrix


@given(ANGLES, st.booleans())
def test_b0_is_scanner_z_seen_from_the_voxels(angles: tuple[float, ...], flip: bool) -> None:
    matrix = affine(angles, (0.6, 0.6, 2.0), flip)
    direction = np.array(b0_direction(matrix))
    cosines = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    assert np.allclose(cosines @ direction, [0, 0, 1], atol=1e-6)


@given(ANGLES)
def test_angle(angles: tuple[float, ...]) -> None:
    turn = Rotation.from_euler("xyz", angles, degrees=True)
    assert rotation_angle(turn.as_matrix()) == pytest.approx(np.degrees(turn.magnitude()), abs=1e-5)


@given(ANGLES, ANGLES)
def test_b0_turns_with_the_head(head: tuple[float, ...], oblique: tuple[float, ...]) -> None:
    """A head turned by R: in its own frame B0 points along R^T z, whatever grid it was scanned on."""
    turn = Rotation.from_euler("xyz", head, degrees=True).as_matrix()
    transform = np.eye(4)
    transform[:3, :3] = turn  # a point of the reference head goes to where it lies in the turned head
    grid = affine(oblique, (1, 1, 2))
    found = turn_to_reference(b0_direction(grid), grid, transform, np.eye(4))
    assert np.allclose(found, turn.T @ [0, 0, 1], atol=1e-6)


def test_obliquity() -> None:
    assert obliquity(np.diag([-1.0, 2.0, 3.0, 1.0])) == pytest.approx(0.0, abs=1e-5)
    assert obliquity(affine((30, 0, 0))) == pytest.approx(30.0, abs=1e-5)
