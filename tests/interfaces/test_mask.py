from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from qsmflow.errors import MissingProgramError
from qsmflow.interfaces.mask import BrainMask, CSFMask


def _write(path, data):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), np.diag([2.0, 2.0, 2.0, 1.0])), path)
    return str(path)


def test_auto_without_bet_is_embedded_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    image = np.pad(1 + 0.02 * np.random.default_rng(0).standard_normal((20, 24, 22)), 6)
    done = BrainMask(in_file=_write(tmp_path / "image.nii", image)).run().outputs
    assert "embedded" in done.out_report["Method"]
    found = nib.load(done.out_file)
    assert found.get_data_dtype() == np.uint8
    mask = np.asarray(found.dataobj) > 0
    assert (mask != (image > 0)).sum() < 0.05 * mask.sum()
    assert done.out_report["Measured"]["MaskVoxels"] == mask.sum()
    assert done.out_report["Measured"]["VolumeML"] == pytest.approx(mask.sum() * 8e-3, abs=0.1)


def test_bet_by_name_is_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="bet"):
        BrainMask(in_file=_write(tmp_path / "image.nii", np.ones((9, 9, 9))), method="bet").run()


def test_an_empty_image_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"image\.nii: magnitude has no voxel above zero"):
        BrainMask(in_file=_write(tmp_path / "image.nii", np.zeros((9, 9, 9))), method="embedded").run()


def test_bet_is_called_with_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = _write(tmp_path / "image.nii", np.ones((9, 9, 9)))
    answer = np.zeros((9, 9, 9), np.float32)
    answer[2:5] = 1
    nib.save(nib.Nifti1Image(answer, np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "answer.nii.gz")
    fake = tmp_path / "bin" / "bet"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/called\n'
        f'cp {tmp_path}/answer.nii.gz "$2"\ncp {tmp_path}/answer.nii.gz "${{2%.nii.gz}}_mask.nii.gz"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    done = BrainMask(in_file=image, bet_fraction=0.4).run().outputs
    assert done.out_report["Method"] == "FSL BET"
    assert np.array_equal(np.asarray(nib.load(done.out_file).dataobj), answer)
    called = (tmp_path / "called").read_text()
    assert called.startswith("image.nii ")
    assert "-f 0.40" in called
    assert "-m" in called


def test_the_fluid_is_found_and_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rate = np.full((20, 20, 20), 20.0)
    rate[6:12, 8:12, 8:14] = 1.0
    done = CSFMask(in_file=_write(tmp_path / "rate.nii", rate), mask=_write(tmp_path / "mask.nii", rate > 0)).run()
    report = done.outputs.out_report
    found = np.asarray(nib.load(done.outputs.out_file).dataobj) > 0
    assert found.any() and not found[rate > 1].any()
    assert report["Stage"] == "csf_mask" and report["Method"].startswith("computed")
    assert report["Measured"] == {"MaskVoxels": found.sum(), "VolumeML": pytest.approx(found.sum() * 8e-3, abs=0.1)}
