import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmflow.phantom.pose import angle_between, b0_direction, draw_angles, grid_around, rigid, rotation

DEGREES = st.floats(-80, 80)


@given(st.tuples(DEGREES, DEGREES, DEGREES))
def test_rotation_is_proper(angles: tuple[float, float, float]) -> None:
    turn = rotation(angles)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_order_and_sense_of_the_angles() -> None:
    nose = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(rotation((90, 0, 0)) @ nose, [0, 0, 1], atol=1e-12)  # chin up
    np.testing.assert_allclose(rotation((0, 90, 0)) @ [0, 0, 1], [1, 0, 0], atol=1e-12)  # to the right
    np.testing.assert_allclose(rotation((0, 0, 90)) @ nose, [-1, 0, 0], atol=1e-12)  # to the left
    np.testing.assert_allclose(rotation((90, 0, 90)) @ nose, [0, 0, 1], atol=1e-12)  # x before z


@given(st.integers(1, 8), st.floats(1, 60), st.integers(0, 1000))
def test_drawn_orientations_keep_the_limit_and_differ(count: int, largest: float, seed: int) -> None:
    poses = [rigid(a) for a in draw_angles(count, largest, np.random.default_rng(seed))]
    assert len(poses) == count
    assert np.array_equal(poses[0], np.eye(4))
    turns = [angle_between(poses[0], pose) for pose in poses[1:]]
    assert all(0.59 * largest <= turn <= largest for turn in turns)
    if count > 2:
        assert min(angle_between(a, b) for i, a in enumerate(poses) for b in poses[:i]) > 0.2 * largest


def test_oblique_grid_covers_its_box_and_knows_b0() -> None:
    affine, shape = grid_around((-10, -20, -30), (11, 20, 30), (1.0, 2.0, 3.0), (30, 0, 0))
    assert shape == (22, 20, 20)
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), (1, 2, 3))
    np.testing.assert_allclose(b0_direction(affine), (0, 0.5, np.sqrt(0.75)), atol=1e-12)
    middle = affine @ [*(0.5 * (np.array(shape) - 1)), 1]
    np.testing.assert_allclose(middle[:3], rotation((30, 0, 0)) @ [0.5, 0, 0], atol=1e-9)
