from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.core.mask import brain_mask
from tests.heads import dice, head, rc2_head


def _load(path):
    image = nib.load(path)
    return torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32)), image.header.get_zooms()[:3]


def test_the_brain_of_a_head_of_ellipsoids_is_found():
    voxel_size = (1.2, 1.2, 4.0)
    image, brain = head(voxel_size)
    mask = brain_mask(image, voxel_size)
    assert mask.dtype == torch.bool
    assert dice(mask, brain) > 0.95
    assert float((mask & ~brain).sum()) < 0.05 * float(brain.sum())


def test_unit_and_axis_order_do_not_matter():
    image, brain = head()
    turned = brain_mask(4000 * image.permute(2, 0, 1).flip(0), (2.0, 2.0, 2.0))
    assert dice(turned, brain.permute(2, 0, 1).flip(0)) > 0.95


def test_an_extracted_brain_stays_whole():
    image, brain = head(scalp=False)
    assert dice(brain_mask(image, (2.0, 2.0, 2.0)), brain) > 0.98


def test_a_block_from_inside_a_brain_is_all_brain():
    noise = 0.05 * torch.randn(40, 36, 30, generator=torch.Generator().manual_seed(1))
    assert brain_mask(1 + noise, (1.0, 1.0, 2.0)).all()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.zeros(20, 20, 20), "no voxel above zero"),
        (torch.full((20, 20, 20), torch.nan), "NaN or Inf"),
        (torch.ones(20, 20), "3-D"),
        (torch.randn(2, 50, 50, 40, generator=torch.Generator().manual_seed(2)).norm(dim=0), "nothing but noise"),
    ],
)
def test_what_holds_no_brain_is_refused(image, words):
    with pytest.raises(ValueError, match=words) as caught:
        brain_mask(image, (2.0, 2.0, 2.0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("te", [0.01, 0.025])
def test_the_brain_of_rc2_head_is_found(shared_data, te):
    image, brain = rc2_head(shared_data, np.diag([2.0, 2.0, 2.0, 1.0]), (82, 102, 102), te=te)
    assert dice(brain_mask(image, (2.0, 2.0, 2.0)), brain) > 0.95


@pytest.mark.long
@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (25.0, 0.0, 0.0), (-14.0, 13.0, 16.0)])
def test_the_brain_of_a_turned_rc2_head_is_found_at_1_mm(shared_data, turn):
    from scipy.spatial.transform import Rotation

    pose, centre = np.eye(4), np.array([82.0, 102.0, 102.0])
    pose[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    pose[:3, 3] = centre - pose[:3, :3] @ centre
    image, brain = rc2_head(shared_data, np.eye(4), (164, 205, 205), pose)
    assert dice(brain_mask(image, (1.0, 1.0, 1.0)), brain) > 0.95


def test_real_data_without_scalp(shared_data):
    image, voxel_size = _load(shared_data / "challenge2016" / "magnitude.nii.gz")
    brain, _ = _load(shared_data / "challenge2016" / "mask.nii.gz")
    assert dice(brain_mask(image, voxel_size), brain > 0) > 0.97
    block, voxel_size = _load(shared_data / "gre_3echo" / "magnitude.nii.gz")
    assert brain_mask(block[..., 0], voxel_size).float().mean() > 0.95


def test_a_sphere_of_water_is_its_own_mask(shared_data):
    image, voxel_size = _load(shared_data / "fieldmap_phantom" / "sub-fieldmap_magnitude1.nii.gz")
    mask = brain_mask(image, voxel_size)
    water = image > 250
    assert dice(mask, water) > 0.95
