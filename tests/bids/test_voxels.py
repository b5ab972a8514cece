"""What the voxels of a file are, and files that are damaged."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from qsmflow.bids import voxels
from qsmflow.bids.voxels import FactsCache, voxel_facts
from tests.builders import edit_image, make_bids, save_image
from tests.refusals import MAGNITUDE, PHASE, check, refused


def damage_crc(raw):
    return raw[:-8] + bytes([raw[-8] ^ 1]) + raw[-7:]


def cut_voxels(raw):
    return gzip.compress(gzip.decompress(raw)[:-100])


@pytest.mark.parametrize("spoil", [damage_crc, cut_voxels, lambda raw: raw[: len(raw) // 2]])
def test_damaged_voxels(tmp_path, spoil):
    make_bids(tmp_path)
    path = tmp_path / "sub-01" / "anat" / PHASE
    path.write_bytes(spoil(path.read_bytes()))
    assert "damaged" in refused(tmp_path, PHASE, "voxels", voxels=True).message


@pytest.mark.parametrize(
    "spoil", [lambda raw: b"", lambda raw: raw[:30], gzip.decompress, lambda raw: gzip.compress(b"x" * 999)]
)
def test_damaged_headers(tmp_path, spoil):
    make_bids(tmp_path)
    path = tmp_path / "sub-01" / "anat" / PHASE
    path.write_bytes(spoil(path.read_bytes()))
    refused(tmp_path, PHASE, "header")


def test_big_endian_and_nifti2(tmp_path):
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for image in (
        nib.Nifti1Image(data.astype(">i2"), np.eye(4), nib.Nifti1Header(endianness=">")),
        nib.Nifti2Image(data, np.eye(4)),
    ):
        path = tmp_path / "a.nii"
        nib.save(image, path)
        facts = voxel_facts(path)
        assert (facts.low, facts.high, facts.voxels, facts.nonzero) == (0, 59, 60, 59)


def test_chunks_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(voxels, "_CHUNK", 256)
    data = np.random.default_rng(0).normal(size=(7, 8, 9)).astype(np.float32)
    data[3, 3, :4] = np.nan, np.inf, 0, 0.5
    facts = voxel_facts(save_image(tmp_path / "a.nii.gz", data))
    good = data[np.isfinite(data)]
    assert (facts.low, facts.high) == (good.min(), good.max())
    assert (facts.voxels, facts.nonfinite, facts.nonzero) == (504, 2, np.count_nonzero(data))
    assert facts.fractional == np.count_nonzero(good != np.round(good))


def test_what_was_read_is_not_read_again(tmp_path, monkeypatch):
    make_bids(tmp_path / "raw")
    cache = FactsCache(tmp_path / "work" / "checked.json")
    assert check(tmp_path / "raw", cache=cache, threads=2) == []
    cache.save()
    read = []
    monkeypatch.setattr(voxels, "voxel_facts", lambda path: (read.append(path), voxel_facts(path))[1])
    assert check(tmp_path / "raw", cache=FactsCache(tmp_path / "work" / "checked.json")) == []
    assert read == []
    path = edit_image(tmp_path / "raw" / "sub-01" / "anat" / MAGNITUDE, lambda data: data * np.nan)
    problems = check(tmp_path / "raw", cache=FactsCache(tmp_path / "work" / "checked.json"))
    assert read == [path]
    assert problems[0].file == path
