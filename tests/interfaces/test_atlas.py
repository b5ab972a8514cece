from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmflow.interfaces.atlas import RegisterAtlas

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
SHAPE = (56, 64, 52)


def _egg(stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An egg with two dark blocks and a bright one, and their labels; `stretch` takes the first head to this one."""
    voxels = np.moveaxis(np.indices(SHAPE), 0, -1) - (np.array(SHAPE) - 1) / 2
    x, y, z = np.moveaxis(3.0 * voxels @ np.linalg.inv(stretch).T, -1, 0)
    labels = np.zeros(SHAPE, np.float32)
    for index, centre in enumerate(((24, 12, 6), (-24, 12, 6), (0, -30, -12)), start=1):
        labels[np.maximum.reduce([abs(a - c) for a, c in zip((x, y, z), centre, strict=True)]) < 12] = index
    image = 100.0 * (np.hypot(np.hypot(x / 58, y / 72), z / 50) < 1)
    image *= 1 - 0.4 * (labels > 0) + 0.8 * (labels == 3)
    return image.astype(np.float32), labels


def _write(path: Path, data: np.ndarray) -> str:
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return str(path)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A template, its labels, and the magnitude and mask of a head that is longer and turned."""
    monkeypatch.chdir(tmp_path)
    template, labels = _egg(np.eye(3))
    magnitude, _ = _egg(TURNED)
    images = {"template": template, "atlas": labels, "in_file": magnitude, "in_mask": (magnitude > 0).astype(np.uint8)}
    return {name: _write(tmp_path / f"{name}.nii", data) for name, data in images.items()}


#: 8 % longer, 5 % narrower, and turned by 6 degrees about z.
TURNED = np.array([[0.9945, -0.1045, 0], [0.1045, 0.9945, 0], [0, 0, 1]]) @ np.diag([0.95, 1.08, 1.0])


def test_the_regions_lie_where_they_are(files: dict[str, str]) -> None:
    found = RegisterAtlas(**files).run().outputs
    made, true = nib.load(found.out_file).get_fdata(), _egg(TURNED)[1]
    assert set(np.unique(made)) == {0, 1, 2, 3}
    for index in (1, 2, 3):
        both = 2 * np.sum((made == index) & (true == index)) / (np.sum(made == index) + np.sum(true == index))
        assert both > 0.9, index
    measured = found.out_report["Measured"]
    assert measured["Volume"] == pytest.approx(0.95 * 1.08, abs=0.02) and measured["Overlap"] > 0.97


def test_a_template_that_is_no_brain_is_named(files: dict[str, str], tmp_path: Path) -> None:
    _write(tmp_path / "template.nii", np.zeros(SHAPE, np.float32))
    with pytest.raises(ValueError, match=r"template\.nii to .*in_file\.nii: moving: the mask is empty"):
        RegisterAtlas(**files).run()
