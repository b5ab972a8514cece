from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from qsmflow.errors import InputError
from qsmflow.phantom.labels import read_labels
from qsmflow.phantom.tissues import read_tissues


def _map(path: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.Nifti1Image(labels, affine).to_filename(path)
    return path


@pytest.fixture
def labels() -> np.ndarray:
    out = np.full((8, 10, 12), 14, np.uint8)
    out[2:6, 2:8, :9] = 15
    out[3:5, 3:7, 4:8] = 8
    out[3, 3:7, 4:8] = 9
    return out


def test_orientation_and_voxel_size_come_from_the_affine(tmp_path: Path, labels: np.ndarray) -> None:
    flipped = _map(tmp_path / "l.nii.gz", labels, np.diag([-2.0, 1.0, 3.0, 1.0]))
    head = read_labels(flipped, read_tissues("rc2"))
    # the brain's centre is the origin; x of the file runs to the left, so grey matter is on the right
    assert head.labels_at(torch.tensor([[1.0, 0.5, 1.0], [-1.0, 0.5, 1.0]])).tolist() == [9, 8]
    # below the map goes on, elsewhere is air
    far = torch.tensor([[0.0, 0.0, -90.0], [0.0, 0.0, 90.0], [50.0, 0.0, 0.0], [0.0, -50.0, -90.0]])
    assert head.labels_at(far).tolist() == [15, 14, 14, 14]


def test_mask_says_what_is_brain(tmp_path: Path, labels: np.ndarray) -> None:
    path = _map(tmp_path / "l.nii.gz", labels, np.eye(4))
    mask = _map(tmp_path / "m.nii.gz", (labels == 8).astype(np.uint8), np.eye(4))
    head = read_labels(path, read_tissues("rc2"), brain=mask)
    found = head.labels_at(torch.tensor([[-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert head.tissues.column("brain")[found.int()].tolist() == [0.0, 1.0]
    assert head.tissues.column("chi")[found.int()].tolist() == pytest.approx([0.02, -0.03])


def test_what_cannot_be_used_is_refused(tmp_path: Path, labels: np.ndarray) -> None:
    tissues = read_tissues("rc2")
    (tmp_path / "torn.nii.gz").write_bytes(b"\x1f\x8b\x08\x00rest")
    cases = [
        (tmp_path / "none.nii.gz", "not a readable"),
        (tmp_path / "torn.nii.gz", "not a readable"),
        (_map(tmp_path / "half.nii.gz", labels + 0.5, np.eye(4)), "whole numbers"),
        (_map(tmp_path / "flat.nii.gz", labels[..., :1], np.eye(4)), "3-D"),
        (_map(tmp_path / "new.nii.gz", labels + 100, np.eye(4)), "not in the tissue table"),
        (_map(tmp_path / "air.nii.gz", labels * 0 + 14, np.eye(4)), "brain"),
    ]
    for path, named in cases:
        with pytest.raises(InputError, match=named) as caught:
            read_labels(path, tissues)
        assert str(path) in str(caught.value)
    mask = _map(tmp_path / "m.nii.gz", labels[1:], np.eye(4))
    with pytest.raises(InputError, match="shape"):
        read_labels(_map(tmp_path / "l.nii.gz", labels, np.eye(4)), tissues, brain=mask)
