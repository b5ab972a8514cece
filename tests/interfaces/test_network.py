"""Networks as stages: what they are given, what they tell, and when a cached result is theirs."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.core.noise import noise_of_parts
from qsmflow.errors import InputError
from qsmflow.interfaces.network import Denoiser, QSMnet
from qsmflow.interfaces.volume import Volume, load, save
from qsmflow.nets import Denoiser as DenoiserNetwork
from qsmflow.nets import QSMnet as QSMnetNetwork
from qsmflow.nets import weights
from qsmflow.nets.upright import Upright
from tests.cards import DENOISER
from tests.cards import TINY as CARD


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A field and its mask, as stored by a scanner: axes left, back and up, then cut obliquely."""
    torch.manual_seed(0)
    field, mask = 0.05 * torch.randn(12, 14, 10), torch.zeros(12, 14, 10)
    mask[2:10, 2:12, 2:8] = 1.0
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    return {
        "in_file": save(Volume(field * mask, affine), tmp_path / "field.nii"),
        "mask": save(Volume(mask.bool(), affine), tmp_path / "mask.nii"),
    }


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return tiny(tmp_path, 0)


def tiny(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    path = folder / f"tiny{seed}.safetensors"
    weights.save(QSMnetNetwork(width=2, kernel=3), CARD, path)
    return path


def test_a_map_and_what_made_it(files: dict[str, str], trained: Path, tmp_path: Path) -> None:
    done = QSMnet(weights=str(trained), **files).run(cwd=str(tmp_path)).outputs
    chi, mask = load(done.out_file).data, load(files["mask"]).mask
    assert bool((chi[mask] != 0).all()) and not bool(chi[~mask].any())
    told = done.out_report["Measured"]
    assert told["Weights"][0]["SHA256"] == weights.digest(trained) and told["Weights"][0]["Name"] == "tiny"
    assert done.out_report["Device"] == "cpu" and told["Precision"] == "float32"


def test_the_order_in_which_voxels_are_stored_is_of_no_matter(
    files: dict[str, str], trained: Path, tmp_path: Path
) -> None:
    plain = load(QSMnet(weights=str(trained), **files).run(cwd=str(tmp_path)).outputs.out_file)
    for axcodes in (("P", "S", "R"), ("R", "A", "S"), ("I", "L", "A")):
        folder = tmp_path / "".join(axcodes)
        folder.mkdir()
        turned = {}
        for name, path in files.items():
            image = nib.load(path)
            wanted = nib.orientations.axcodes2ornt(axcodes)
            change = nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted)
            turned[name] = str(folder / f"{name}.nii")
            nib.save(image.as_reoriented(change), turned[name])
        found = QSMnet(weights=str(trained), **turned).run(cwd=str(folder)).outputs.out_file
        back = nib.as_closest_canonical(nib.load(found)).get_fdata()
        wanted = nib.as_closest_canonical(nib.Nifti1Image(plain.data.numpy(), plain.affine)).get_fdata()
        np.testing.assert_allclose(back, wanted, atol=1e-6)


def test_upright_is_exact_and_comes_back() -> None:
    volume = torch.rand(3, 4, 5)
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = (np.eye(3) * signs)[:, list(axes)]
            upright = Upright.of(affine)
            assert torch.equal(upright.back(upright.turn(volume)), volume)
            # a direction in voxel axes names the same direction in the world
            assert upright.direction(tuple(affine[2, :3])) == (0.0, 0.0, 1.0)
            assert upright.sizes((3.0, 4.0, 5.0)) == tuple(float(n) for n in upright.turn(volume).shape)


def test_relative_weights_are_those_of_the_folder_where_they_are_named(
    files: dict[str, str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.parent)
    network = QSMnet(weights=f"{trained.name},{trained.name}", **files)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = network.run(cwd=str(elsewhere)).outputs
    assert done.out_report["Parameters"]["weights"] == f"{trained},{trained}"


def test_several_weights_also_give_their_spread(files: dict[str, str], tmp_path: Path) -> None:
    both = f"{tiny(tmp_path, 1)}, {tiny(tmp_path, 2)}"
    done = QSMnet(weights=both, **files).run(cwd=str(tmp_path)).outputs
    assert float(load(done.out_sd).data.max()) > 0
    assert len(done.out_report["Measured"]["Weights"]) == 2


def test_retrained_weights_are_not_a_cached_result(trained: Path, tmp_path: Path) -> None:
    node = QSMnet(weights=str(trained))
    before = node.inputs.weights_version
    assert before == weights.digest(trained)
    node.inputs.weights = str(tiny(tmp_path, 3))
    assert node.inputs.weights_version not in (before, "missing")
    assert QSMnet(weights="nowhere").inputs.weights_version == "missing"


def test_a_denoiser_is_given_the_noise(files: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "denoiser.safetensors"
    card = dataclasses.replace(DENOISER, largest=CARD.largest, voxel_size=CARD.voxel_size)
    weights.save(DenoiserNetwork(width=2, levels=2), card, path)
    noise = save(Volume(torch.full((12, 14, 10), 0.004), load(files["mask"]).affine), tmp_path / "noise.nii")
    done = Denoiser(weights=str(path), noise=noise, **files).run(cwd=str(tmp_path)).outputs
    assert done.out_report["Measured"]["Weights"][0]["FieldNoise"] == 0.004
    assert load(done.out_file).data.shape == (12, 14, 10)
    magnitude = save(Volume(torch.full((12, 14, 10), 300.0), load(files["mask"]).affine), tmp_path / "magnitude.nii")
    volume, mask = load(files["in_file"]), load(files["mask"]).mask
    told = Denoiser(weights=str(path), magnitude=magnitude, **files).run(cwd=str(tmp_path)).outputs.out_report
    found = told["Measured"]["Weights"][0]["FieldNoise"]
    assert found == pytest.approx(noise_of_parts([volume.data], mask), rel=0.01) and found > 0
    with pytest.raises(InputError, match="output is field, where chi is needed"):
        QSMnet(weights=str(path), **files).run(cwd=str(tmp_path))


def test_missing_weights_are_named_before_anything_is_computed(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights nowhere: not in this package"):
        QSMnet(weights="nowhere", **files).run(cwd=str(tmp_path))


def test_memory_is_kept_to_and_what_it_takes_is_told(files: dict[str, str], trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"memory: .* and 100 MB are given; give [\d.]+ GB") as caught:
        QSMnet(weights=str(trained), memory=0.1, **files).run(cwd=str(tmp_path))
    enough = float(str(caught.value).split("give ")[1].split(" GB")[0])
    QSMnet(weights=str(trained), memory=enough, **files).run(cwd=str(tmp_path))
    for wrong in (-1.0, math.nan):
        with pytest.raises(InputError, match=r"memory: .* GB; give a number above 0"):
            QSMnet(weights=str(trained), memory=wrong, **files).run(cwd=str(tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_gpu_that_is_not_there_is_refused_by_its_flag(files: dict[str, str], trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="take --no-use_gpu"):
        QSMnet(weights=str(trained), use_gpu=True, **files).run(cwd=str(tmp_path))
