"""What a stage refuses of its files: other grids, empty masks, fractions, NaN in the mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qsmflow.interfaces.volume import Volume, load_like, load_mask, load_masks, save

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
    with pytest.raises(ValueError, match=r"shape \(1, 6, 7, 8\) where \(3, 6, 7, 8\)"):
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
    with pytest.raises(ValueError, match="1 voxels of the data"):
        load_mask(written(tmp_path, mask), grid)


def test_every_volume_has_its_mask(tmp_path: Path) -> None:
    three = Volume(torch.rand(3, *SHAPE), AFFINE)
    wanted = three.data > 0.5
    three.data[~wanted] = torch.nan
    files = [save(three.with_data(mask), tmp_path / f"{i}.nii") for i, mask in enumerate(wanted)]
    assert torch.equal(load_masks(files, three), wanted)
    with pytest.raises(ValueError, match="2 masks of 3 volumes"):
        load_masks(files[:2], three)
    with pytest.raises(ValueError, match=r"voxels of the data in .*1\.nii are NaN"):
        load_masks([files[0], files[0].replace("0.nii", "1.nii"), files[0]], three.with_data(three.data[[0, 0, 0]]))
