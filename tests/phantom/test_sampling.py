import math

import numpy as np
import pytest
import torch

from qsmflow.phantom.pose import grid_around, rigid, rotation
from qsmflow.phantom.sampling import brain_box, sample_head, solid_points
from qsmflow.phantom.tissues import Tissue, TissueTable

AIR, BRAIN = Tissue(0, "air", 9.2, 0.0, 1.0, False), Tissue(1, "brain", 0.1, 1.0, 50.0, True, 2.0, 0.01)
RADIUS, CENTRE = 20.0, (5.0, 0.0, 0.0)


class Ball:
    tissues = TissueTable((AIR, BRAIN))
    outside = AIR.chi
    bounds = ((-30.0, -30.0, -30.0), (30.0, 30.0, 30.0))

    def labels_at(self, points: torch.Tensor) -> torch.Tensor:
        return ((points - points.new_tensor(CENTRE)).norm(dim=-1) < RADIUS).to(torch.uint8)

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        return torch.ones(points.shape[:-1])


@pytest.fixture(scope="module")
def sample():
    affine, shape = grid_around((-28,) * 3, (28,) * 3, (2.0, 3.0, 4.0))
    pose = rigid((0, 0, 90), (0, 0, 3))
    return affine, sample_head(Ball(), affine, shape, pose, b0=7.0, supersample=3)


def test_shares_add_up_to_the_volume(sample) -> None:
    affine, found = sample
    volume = float(found.brain.sum()) * abs(np.linalg.det(affine[:3, :3]))
    assert volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=5e-3)


def test_ball_is_where_the_pose_puts_it(sample) -> None:
    affine, found = sample
    voxels = torch.nonzero(found.brain > 0.99).double()
    middle = affine @ [*voxels.mean(0).tolist(), 1]
    # a quarter turn of the face to the left takes +x to +y
    np.testing.assert_allclose(middle[:3], [0, 5, 3], atol=0.15)


def test_means_of_mixed_and_pure_voxels(sample) -> None:
    _, found = sample
    share = found.brain
    torch.testing.assert_close(found.chi, share * (0.1 + 0.01) + (1 - share) * 9.2, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.brain_chi, share * (0.1 + 0.01), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.m0, share, atol=1e-6, rtol=0)
    # only tissue with signal decays
    torch.testing.assert_close(found.r2star[share > 0], torch.full_like(share[share > 0], 20.0 + 2.0 * 4.0))
    assert torch.equal(found.labels[share > 0.51], torch.ones_like(found.labels[share > 0.51]))
    assert not found.labels[share < 0.49].any()


def test_solid_points_leave_the_air_out() -> None:
    points, brain = solid_points(Ball(), step=2.0)
    assert bool(brain.all())
    assert np.abs(points - CENTRE).max() <= RADIUS
    assert len(points) * 8 == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.03)


def test_the_box_of_the_brain_is_along_the_axes_that_are_asked() -> None:
    turn = rotation((0.0, 0.0, 30.0))
    low, high = brain_box(Ball(), turn, step=1.0)
    np.testing.assert_allclose((low + high) / 2, CENTRE @ turn, atol=0.5)
    np.testing.assert_allclose(high - low, 2 * RADIUS, atol=2.0)
