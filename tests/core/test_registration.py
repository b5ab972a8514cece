from __future__ import annotations

import functools

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nitransforms.io.fsl import FSLLinearTransform
from scipy.spatial.transform import Rotation

from qsmflow.core.registration import (
    affine_register,
    flirt_to_world,
    resample,
    rigid_register,
    rotation_error_deg,
    translation_error_mm,
    world_to_flirt,
)
from tests.heads import rc2_head

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", (12, -7, 20), degrees=True).as_matrix() @ np.diag([-1.7, 1.7, 2.6])
OBLIQUE[:3, 3] = -OBLIQUE[:3, :3] @ (57.5, 66.5, 39.5)
STRAIGHT = np.diag([2.0, 2.0, 2.0, 1.0])
STRAIGHT[:3, 3] = -78, -96, -78


def _pose(turn, shift=(0.0, 0.0, 0.0), centre=(0.0, 0.0, 0.0)):
    """Rotation by the vector `turn`, degrees, about `centre`, then `shift`, mm."""
    out = np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    out[:3, 3] = np.add(centre, shift) - out[:3, :3] @ centre
    return out


@functools.cache
def _brain_at_rest():
    return _brain(STRAIGHT, (78, 96, 78), np.eye(4), 1)


def _brain(affine, shape, pose, seed):
    """Magnitude and mask of an ellipsoid full of blobs, moved by `pose`, under shading that stays, with noise."""
    places = np.random.default_rng(7)
    world = np.moveaxis(np.indices(shape, dtype=np.float32), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    own = (world - pose[:3, 3]) @ pose[:3, :3]
    mask = np.square(own / (58, 75, 52)).sum(-1) < 1
    image = np.full(shape, 0.7)
    for _ in range(40):
        centre, width = places.uniform(-55, 55, 3), places.uniform(4, 9)
        image += places.choice([-0.25, 0.25]) * np.exp(-np.square(own - centre).sum(-1) / (2 * width**2))
    image *= mask * (1 + 0.3 * np.sin(world[..., 0] / 60) * np.cos(world[..., 1] / 70))
    noise = 0.02 * np.random.default_rng(seed).standard_normal((2, *shape))
    return torch.from_numpy(np.hypot(image + noise[0], noise[1]).astype(np.float32)), torch.from_numpy(mask)


@pytest.mark.parametrize("turn", [(5.0, -4.0, 6.0), (25.0, 25.0, -25.0)])
def test_a_brain_on_an_oblique_grid_is_registered(turn):
    pose = _pose(turn, (6, -4, 5))
    reference, reference_mask = _brain_at_rest()
    moving, moving_mask = _brain(OBLIQUE, (116, 134, 80), pose, 2)
    found = rigid_register(moving, OBLIQUE, reference, STRAIGHT, moving_mask, reference_mask)
    assert rotation_error_deg(found.transform, pose) < 0.1
    assert translation_error_mm(found.transform, pose, (0, 0, 0)) < 0.2  # of voxels of 2 mm
    assert found.overlap > 0.95
    assert found.correlation > 0.9


def test_a_brain_of_another_size_and_shape_is_registered():
    stretch = np.diag([1.08, 0.94, 1.05, 1.0])
    stretch[0, 1] = 0.04
    pose = _pose((8.0, -5.0, 6.0), (6, -4, 5))
    reference, reference_mask = _brain_at_rest()
    moving, moving_mask = _brain(OBLIQUE, (116, 134, 80), pose, 2)
    found = affine_register(moving, stretch @ OBLIQUE, reference, STRAIGHT, moving_mask, reference_mask)
    for point in ((0, 0, 0), (40, 0, 0), (0, 50, 0), (0, 0, 40)):
        # unregistered some 10 mm, and rigidly still 3: the levels have voxels of 4 mm
        assert translation_error_mm(found.transform, stretch @ pose, point) < 0.8
    assert found.overlap > 0.98 and found.correlation > 0.9


def test_bad_masks_are_refused():
    image, mask = _brain_at_rest()
    with pytest.raises(ValueError, match="moving: the mask is empty"):
        rigid_register(image, STRAIGHT, image, STRAIGHT, torch.zeros_like(mask), mask)
    with pytest.raises(ValueError, match=r"reference: mask .* differ in shape"):
        rigid_register(image, STRAIGHT, image, STRAIGHT, mask, mask[1:])
    with pytest.raises(ValueError, match="4x4"):
        rigid_register(image, np.zeros((4, 4)), image, STRAIGHT, mask, mask)


def test_what_has_no_shape_and_no_contrast_is_refused():
    image, mask = torch.ones(40, 40, 40), torch.ones(40, 40, 40, dtype=torch.bool)
    with pytest.raises(ValueError, match="no contrast"):
        rigid_register(image, STRAIGHT, image, STRAIGHT, mask, mask)


@pytest.mark.parametrize("value", [0.0, 3.7])
@pytest.mark.parametrize("blank", ["moving", "reference"])
def test_a_blank_image_is_refused(blank, value):
    """Its outline alone would place it, at any angle."""
    image, mask = _brain_at_rest()
    nothing = torch.full_like(image, value)
    moving, reference = (nothing, image) if blank == "moving" else (image, nothing)
    with pytest.raises(ValueError, match=f"^{blank}: the magnitude has no contrast in its mask"):
        rigid_register(moving, STRAIGHT, reference, STRAIGHT, mask, mask)


@pytest.mark.parametrize("spacing", [2.0, 6.0])
def test_overlap_is_the_share_of_the_brain(spacing):
    """On coarse voxels too, where more than the brain is compared."""
    at = spacing * (torch.stack(torch.meshgrid(*[torch.arange(120.0 // spacing)] * 3, indexing="ij"), -1)) - 60.0
    generator = torch.Generator().manual_seed(3)
    image = torch.ones(at.shape[:3])
    for _ in range(12):
        centre = 60.0 * torch.rand(3, generator=generator) - 30.0
        image += 0.5 * torch.exp(-(at - centre).square().sum(-1) / (2 * 12.0**2))
    mask = (at / torch.tensor([45.0, 50.0, 40.0])).square().sum(-1) < 1
    affine = np.diag([spacing, spacing, spacing, 1.0])
    whole = rigid_register(image, affine, image, affine, mask, mask)
    assert rotation_error_deg(whole.transform, np.eye(4)) < 0.1
    assert whole.overlap > 0.95 and whole.correlation > 0.99


@pytest.mark.long
@pytest.mark.parametrize("angle", [5.0, 25.0, 40.0])
def test_rc2_head_is_registered_at_1_mm(shared_data, angle):
    axis = np.array([0.6, -0.5, 0.62]) / np.linalg.norm([0.6, -0.5, 0.62])
    pose = _pose(angle * axis, (5, -6, 3), (82, 102, 102))
    affine, shape = np.eye(4), (170, 205, 205)
    reference, _ = rc2_head(shared_data, affine, shape, seed=1)
    moving, _ = rc2_head(shared_data, affine, shape, pose, seed=2)
    found = rigid_register(moving, affine, reference, affine)
    assert rotation_error_deg(found.transform, pose) < 0.05
    assert translation_error_mm(found.transform, pose, (82, 102, 102)) < 0.05


@given(
    turn=st.tuples(*[st.floats(-60, 60)] * 3),
    axes=st.tuples(*[st.floats(-40, 40)] * 3),
    size=st.tuples(*[st.floats(0.4, 3)] * 3),
    flip=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_flirt_matrix_goes_there_and_back(turn, axes, size, flip):
    moving = _pose(axes, (4, 5, 6)) @ np.diag([*size, 1.0]) @ np.diag([-1.0 if flip else 1.0, 1, 1, 1])
    world = _pose(turn, (7, -8, 9))
    grids = (moving, (40, 50, 60), STRAIGHT, (30, 31, 32))
    flirt = world_to_flirt(world, *grids)
    assert np.allclose(flirt_to_world(flirt, *grids), world, atol=1e-9)
    # a rotation stays one in scaled mm, but for the flips
    assert np.allclose((flirt[:3, :3] @ flirt[:3, :3].T).numpy(), np.eye(3), atol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_flirt_matrix_by_hand(sign):
    # both images 2 mm, 11 voxels along x, one affine: a shift of 3 mm along x
    affine = np.diag([2.0 * sign, 2, 2, 1])
    world = np.eye(4)
    world[0, 3] = 3.0
    flirt = world_to_flirt(world, affine, (11, 8, 8), affine, (11, 8, 8))
    # world (reference to moving) +3 mm is -3 mm from moving to reference; FSL's x runs towards the left in both cases
    assert np.allclose(flirt[:3, 3], (3.0, 0, 0))
    assert np.allclose(flirt[:3, :3], np.eye(3))


def test_flirt_matrix_agrees_with_nitransforms(tmp_path):
    shapes = (40, 50, 60), (30, 31, 32)
    moving, reference = (
        nib.Nifti1Image(np.zeros(shape, np.uint8), affine)
        for shape, affine in zip(shapes, (OBLIQUE, STRAIGHT), strict=True)
    )
    flirt = world_to_flirt(_pose((10, 20, -15), (1, 2, 3)), OBLIQUE, shapes[0], STRAIGHT, shapes[1])
    theirs = FSLLinearTransform(flirt.numpy()).to_ras(moving=moving, reference=reference)
    assert np.allclose(theirs, _pose((10, 20, -15), (1, 2, 3)), atol=1e-4)


def test_errors_of_known_transforms():
    a, b = _pose((0, 0, 10)), _pose((0, 0, 13), (0, 4, 3))
    assert rotation_error_deg(a, b) == pytest.approx(3.0)
    assert translation_error_mm(a, b, (0, 0, 0)) == pytest.approx(5.0)


def test_resampling_follows_the_transform():
    pose = _pose((10, -15, 20), (4, -3, 2))
    straight, mask = _brain_at_rest()
    moved, moved_mask = _brain(OBLIQUE, (116, 134, 80), pose, 2)
    back = resample(moved_mask, OBLIQUE, pose, STRAIGHT, mask.shape)
    assert back.dtype == torch.bool
    assert float((back ^ mask).sum()) < 0.03 * float(mask.sum())
    image = resample(moved, OBLIQUE, pose, STRAIGHT, mask.shape)
    assert image.dtype == torch.float32
    assert image.shape == straight.shape
    same = resample(straight, STRAIGHT, np.eye(4), STRAIGHT, mask.shape)
    assert torch.allclose(same, straight, atol=1e-4)
