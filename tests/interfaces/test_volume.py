"""What a stage refuses of its files: other grids, empty masks, fractions, NaN in the mask."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.interfaces.volume import (
    Volume,
    load,
    load_echoes,
    load_like,
    load_magnitude,
    load_mask,
    load_masks,
    load_stack,
    save,
)

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
SHAPE = (6, 7, 8)


@pytest.fixture
def grid() -> Volume:
    return Volume(torch.rand(SHAPE), AFFINE)


def written(path: Path, data: torch.Tensor, affine: np.ndarray = AFFINE) -> str:
    return save(Volume(data, affine), path / "file.nii")


def test_a_volume_on_the_grid_is_read(tmp_path: Path, grid: Volume) -> None:
    data = torch.rand(SHAPE)
    torch.testing.assert_close(load_like(written(tmp_path, data), grid).data, data)
    shifted = AFFINE.copy()
    shifted[0, 3] = 0.01
    mask = data > 0.5
    assert torch.equal(load_mask(written(tmp_path, mask, shifted), grid), mask)


def test_echoes_are_matched_one_by_one(tmp_path: Path) -> None:
    three = Volume(torch.rand(3, *SHAPE), AFFINE)
    assert load_like(written(tmp_path, three.data), three, echoes=True).data.shape == (3, *SHAPE)
    with pytest.raises(ValueError, match=r"file\.nii: 1 volumes, but 3 in the data"):
        load_like(written(tmp_path, three.data[0]), three, echoes=True)
    assert load_like(written(tmp_path, three.data[0]), three).data.shape == SHAPE


def test_another_grid_is_refused(tmp_path: Path, grid: Volume) -> None:
    with pytest.raises(ValueError, match=r"file\.nii: shape \(6, 7, 9\) where \(6, 7, 8\)"):
        load_mask(written(tmp_path, torch.ones(6, 7, 9)), grid)
    moved = AFFINE.copy()
    moved[1, 3] = 50.0
    with pytest.raises(ValueError, match=r"file\.nii: its grid lies up to 50 mm"):
        load_mask(written(tmp_path, torch.ones(SHAPE), moved), grid)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (torch.zeros(SHAPE), "is empty"),
        (torch.full(SHAPE, 0.7), "threshold it"),
        (torch.full(SHAPE, torch.nan), "threshold it"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, grid: Volume, data: torch.Tensor, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        load_mask(written(tmp_path, data), grid)


def test_nan_counts_in_the_mask_alone(tmp_path: Path, grid: Volume) -> None:
    mask = torch.zeros(SHAPE)
    mask[1:3] = 1
    grid.data[4] = torch.nan
    assert load_mask(written(tmp_path, mask), grid).sum() == 2 * 7 * 8
    grid.data[2, 0, 0] = torch.inf
    with pytest.raises(ValueError, match=r"the data: 1 voxels in the mask .*file\.nii are NaN"):
        load_mask(written(tmp_path, mask), grid)


def test_every_volume_has_its_mask(tmp_path: Path) -> None:
    three = Volume(torch.rand(3, *SHAPE), AFFINE)
    wanted = three.data > 0.5
    three.data[~wanted] = torch.nan
    files = [save(three.with_data(mask), tmp_path / f"{i}.nii") for i, mask in enumerate(wanted)]
    assert torch.equal(load_masks(files, three), wanted)
    with pytest.raises(ValueError, match="2 masks of 3 volumes"):
        load_masks(files[:2], three)
    with pytest.raises(ValueError, match=r"the data: \d+ voxels in the mask .*1\.nii are NaN"):
        load_masks([files[0], files[0].replace("0.nii", "1.nii"), files[0]], three.with_data(three.data[[0, 0, 0]]))


def test_a_single_volume_has_three_axes_whatever_the_file_has(tmp_path: Path) -> None:
    data = torch.rand(SHAPE)
    nib.save(nib.Nifti1Image(data.numpy()[..., None, None], AFFINE), tmp_path / "five.nii")
    torch.testing.assert_close(load(tmp_path / "five.nii").data, data)
    assert load_echoes(tmp_path / "five.nii").data.shape == (1, *SHAPE)
    assert nib.load(save(Volume(data[None], AFFINE), tmp_path / "one.nii")).shape == SHAPE
    assert nib.load(save(Volume(torch.rand(2, *SHAPE), AFFINE), tmp_path / "two.nii")).shape == (*SHAPE, 2)
    with pytest.raises(ValueError, match=r"two\.nii: 2 volumes where one is needed"):
        load(tmp_path / "two.nii")


def test_what_is_no_image_of_a_head_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.nii.gz"
    save(Volume(torch.rand(SHAPE), AFFINE), whole)
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"cut\.nii\.gz: cannot be read"):
        load(tmp_path / "cut.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((6, 7)), AFFINE), tmp_path / "flat.nii")
    with pytest.raises(ValueError, match=r"flat\.nii: 2 axes"):
        load(tmp_path / "flat.nii")
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.complex64), AFFINE), tmp_path / "complex.nii")
    with pytest.raises(ValueError, match=r"complex\.nii: its numbers are complex"):
        load(tmp_path / "complex.nii")
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.5
    nib.save(nib.Nifti1Image(np.ones(SHAPE), sheared), tmp_path / "sheared.nii")
    with pytest.raises(ValueError, match=r"sheared\.nii: the axes of its voxels"):
        load(tmp_path / "sheared.nii")


@pytest.mark.parametrize(
    ("value", "why"), [(torch.nan, "1 voxels in the mask are NaN"), (-1.0, "negative"), (0.0, "zero all over")]
)
def test_what_is_no_magnitude_in_the_mask_is_refused(tmp_path: Path, grid: Volume, value: float, why: str) -> None:
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[2, 3, 4] = True
    data = torch.rand(SHAPE)
    data[0, 0, 0] = torch.nan
    kept = load_magnitude(written(tmp_path, data), grid, mask)
    assert kept[0, 0, 0] == 0 and torch.equal(kept[mask], data[mask])
    data[mask] = value
    with pytest.raises(ValueError, match=rf"file\.nii: .*{why}"):
        load_magnitude(written(tmp_path, data), grid, mask)


def test_a_stack_is_of_one_grid(tmp_path: Path) -> None:
    first = save(Volume(torch.rand(SHAPE), AFFINE), tmp_path / "first.nii")
    assert load_stack([first, first]).data.shape == (2, *SHAPE)
    moved = AFFINE.copy()
    moved[0, 3] = 9.0
    for other, why in (
        (Volume(torch.rand(SHAPE), moved), "up to 9 mm"),
        (Volume(torch.rand(6, 7, 9), AFFINE), "shape"),
    ):
        with pytest.raises(ValueError, match=rf"other\.nii: .*{why}"):
            load_stack([first, save(other, tmp_path / "other.nii")])
