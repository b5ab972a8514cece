from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from qsmflow.core.registration import rotation_error_deg, world_to_flirt
from qsmflow.errors import MissingProgramError
from qsmflow.interfaces.registration import ApplyRigid, RigidRegister
from qsmflow.interfaces.transforms import read_itk, write_itk

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
TURN = np.array([[0.8, -0.6, 0, 5], [0.6, 0.8, 0, -4], [0, 0, 1, 3], [0, 0, 0, 1]])


def _write(path, data, affine=AFFINE):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), affine), path)
    return str(path)


def _blob(shape=(32, 32, 32), centre=(16, 16, 16)):
    at = np.moveaxis(np.indices(shape), 0, -1) - centre
    return np.exp(-np.square(at / (5, 7, 4)).sum(-1) / 2)


def test_itk_text_is_lps_and_reads_back(tmp_path):
    path = write_itk(TURN, tmp_path / "x.txt")
    assert np.allclose(read_itk(path), TURN, atol=1e-6)
    lines = dict(line.split(": ") for line in (tmp_path / "x.txt").read_text().splitlines() if ": " in line)
    numbers = np.array(lines["Parameters"].split(), dtype=float)
    assert np.allclose(numbers[9:], (-5, 4, 3))
    assert np.allclose(numbers[:9].reshape(3, 3), TURN[:3, :3])  # a turn about z is the same in LPS


def test_a_shift_moves_the_image_and_the_inverse_moves_it_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shift = np.eye(4)
    shift[0, 3] = 4.0  # reference world x is 4 mm, two voxels, below the moving one
    image = _write(tmp_path / "moving.nii", _blob())
    transform = write_itk(shift, tmp_path / "x.txt")
    moved = ApplyRigid(in_file=image, reference=image, transform=transform).run().outputs.out_file
    assert np.allclose(nib.load(moved).get_fdata()[:-4], _blob(centre=(14, 16, 16))[:-4], atol=1e-3)
    (tmp_path / "back").mkdir()
    monkeypatch.chdir(tmp_path / "back")
    back = ApplyRigid(in_file=moved, reference=image, transform=transform, inverse=True).run().outputs.out_file
    assert np.allclose(nib.load(back).get_fdata()[4:-4], _blob()[4:-4], atol=1e-3)


def test_a_mask_stays_a_mask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = _write(tmp_path / "mask.nii", _blob() > 0.5)
    transform = write_itk(TURN, tmp_path / "x.txt")
    out = ApplyRigid(in_file=mask, reference=mask, transform=transform, is_mask=True).run().outputs.out_file
    assert nib.load(out).get_data_dtype() == np.uint8
    assert set(np.unique(np.asarray(nib.load(out).dataobj))) <= {0, 1}


def test_flirt_by_name_is_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    image = _write(tmp_path / "image.nii", _blob())
    with pytest.raises(MissingProgramError, match="flirt"):
        RigidRegister(in_file=image, reference=image, method="flirt").run()


def test_auto_without_flirt_is_embedded_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    data = _blob() + 0.5 * _blob(centre=(20, 12, 18)) + 0.2 * _blob(centre=(13, 21, 12))
    image, mask = _write(tmp_path / "image.nii", data), _write(tmp_path / "mask.nii", data > 0.2)
    done = RigidRegister(in_file=image, reference=image, in_mask=mask, reference_mask=mask).run().outputs
    assert "embedded" in done.out_report["Method"]
    assert done.out_report["Parameters"] == {"method": "auto"}
    assert rotation_error_deg(read_itk(done.out_transform), np.eye(4)) < 0.05


def test_flirt_is_called_and_its_matrix_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    moving = _write(tmp_path / "moving.nii", _blob((20, 24, 28), (9, 12, 15)), np.diag([-3.0, 2, 2, 1]))
    reference, mask = _write(tmp_path / "reference.nii", _blob()), _write(tmp_path / "mask.nii", _blob() > 0.5)
    answer = world_to_flirt(TURN, np.diag([-3.0, 2, 2, 1]), (20, 24, 28), AFFINE, (32, 32, 32))
    np.savetxt(tmp_path / "answer.mat", answer.numpy())
    fake = tmp_path / "bin" / "flirt"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/called\n'
        "while [ $# -gt 0 ]; do case $1 in -omat) cp "
        f'{tmp_path}/answer.mat "$2";; -out) cp {reference} "$2";; esac; shift; done\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    done = RigidRegister(in_file=moving, reference=reference, reference_mask=mask).run().outputs
    assert done.out_report["Method"].startswith("FSL FLIRT")
    assert np.allclose(read_itk(done.out_transform), TURN, atol=1e-5)
    called = (tmp_path / "called").read_text()
    for part in (f"-in {moving}", f"-ref {reference}", f"-refweight {mask}", "-dof 6", "-searchrx -60 60"):
        assert part in called
    assert "-inweight" not in called
