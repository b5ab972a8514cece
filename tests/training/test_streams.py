"""Batches are functions of their number, and hold what the recipe asks for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.smooth import gaussian
from qsmflow.errors import InputError
from qsmflow.settings import from_table
from qsmflow.training.anatomy import save_anatomy
from qsmflow.training.draws import Draws, seeded
from qsmflow.training.recipe import Recipe
from qsmflow.training.sights import Cutter
from qsmflow.training.streams import Stream, open_stream
from tests.training.test_heads import small_anatomy

CPU = torch.device("cpu")
SHAPE = (28, 30, 26)
B0 = (0.0, 0.28, 0.96)


def recipe(**changes: Any) -> Recipe:
    table: dict[str, Any] = {
        "network": "UNet",
        "parameters": {"inputs": 2, "width": 2, "levels": 1},
        "inputs": ["field", "mask"],
        "data": {"kind": "cubes", "patch": 16},
        "fit": {"batch": 3},
    }
    for name, value in changes.items():
        table[name] = {**table.get(name, {}), **value} if isinstance(value, dict) else value
    return from_table(Recipe, table)


def cosmos_output(folder: Path, heads: int = 2) -> Path:
    """What `qsmflow run` leaves of heads with two orientations each."""
    generator = torch.Generator().manual_seed(3)
    for head in range(heads):
        for orientation in (1, 2):
            chi = 0.05 * torch.randn(SHAPE, generator=generator)
            mask = torch.zeros(SHAPE)
            mask[3:-3, 3:-3, 3:-3] = 1
            volumes = {
                "anat/{}_desc-cosmos_Chimap": chi * mask,
                "anat/{}_desc-local_mask": mask,
                "fmap/{}_desc-local_fieldmap": forward_field(chi * mask, (1.0, 1.0, 1.0), B0) * mask,
            }
            for name, volume in volumes.items():
                path = folder / f"sub-{head}" / f"{name.format(f'sub-{head}_acq-ori{orientation}')}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                nib.save(nib.Nifti1Image(volume.numpy(), np.eye(4)), path)
                sidecar = {"Measured": {"B0Direction": list(B0)}}
                path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    return folder


def stream_of(kind: str, tmp_path: Path, **data: Any) -> Stream:
    own: dict[str, dict[str, Any]] = {"heads": {"anatomies": 1, "window": 2, "renew": 2}}
    if kind == "cosmos":
        own[kind] = {"folder": str(cosmos_output(tmp_path / "out"))}
    made = recipe(inputs=["field", "tkd"], data={"kind": kind, **own.get(kind, {}), **data}, frame="native")
    if kind == "heads":
        save_anatomy(small_anatomy(), tmp_path / "training-native-0-0000.pt")
    return open_stream(made, "training", tmp_path, CPU)


@pytest.mark.parametrize("kind", ["cubes", "spheres", "heads", "cosmos"])
def test_the_same_number_is_the_same_batch(kind: str, tmp_path: Path) -> None:
    data = {"rotation": 20.0, "overlap": 0.3} if kind == "cosmos" else {}
    one, other = stream_of(kind, tmp_path, **data), stream_of(kind, tmp_path, **data)
    first, second = one.batch(0), one.batch(7)
    again = other.batch(7)
    torch.testing.assert_close(second.inputs, again.inputs, rtol=0, atol=0)
    torch.testing.assert_close(second.truth, again.truth, rtol=0, atol=0)
    assert second.b0_dirs == again.b0_dirs
    assert first.inputs.shape == (3, 2, 16, 16, 16) and first.truth.shape == (3, 1, 16, 16, 16)
    assert float((first.inputs - second.inputs).abs().max()) > 0
    assert len({float(part.abs().sum()) for part in torch.cat([first.inputs, second.inputs])}) > 2
    assert all(float(part.mean()) > 0.05 for part in second.mask)


def test_kept_volumes_are_made_once(tmp_path: Path) -> None:
    fresh, kept = stream_of("heads", tmp_path, kept=2), stream_of("heads", tmp_path, kept=2)
    made, read = fresh.sight(1), kept.sight(3)
    assert len(list(tmp_path.glob("training-native-0-volume-*.pt"))) == 1
    for one, other in ((made.inputs, read.inputs), (made.truth, read.truth), (made.scene.field, read.scene.field)):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-6)
    assert bool((made.scene.mask == read.scene.mask).all()) and made.scene.b0_dir == read.scene.b0_dir
    first, again = fresh.batch(5), kept.batch(5)
    torch.testing.assert_close(first.inputs, again.inputs, rtol=1e-2, atol=1e-3)


def test_held_out_volumes_are_kept_and_never_the_same_twice(tmp_path: Path) -> None:
    save_anatomy(small_anatomy(), tmp_path / "validation-native-0-0000.pt")
    data = {"kind": "heads", "anatomies": 1, "kept": 1}
    held_out = open_stream(recipe(inputs=["field", "tkd"], data=data, frame="native"), "validation", tmp_path, CPU)
    first, second = held_out.sight(0), held_out.sight(1)
    assert len(list(tmp_path.glob("validation-native-0-volume-*.pt"))) == 2
    assert not torch.equal(first.truth, second.truth)
    torch.testing.assert_close(held_out.sight(1).truth, second.truth, atol=1e-3, rtol=1e-3)


def test_training_and_validation_share_nothing(tmp_path: Path) -> None:
    folder = cosmos_output(tmp_path, heads=3)
    made = recipe(data={"kind": "cosmos", "folder": str(folder)})
    parts = {
        part: {float(open_stream(made, part, tmp_path, CPU).scene(n).chi.sum()) for n in range(6)}
        for part in ("training", "validation")
    }
    assert len(parts["training"]) == 4 and len(parts["validation"]) == 2
    assert not parts["training"] & parts["validation"]


def test_grid_has_every_patch_once_an_epoch(tmp_path: Path) -> None:
    stream = stream_of("cosmos", tmp_path, overlap=0.5, flips=False)
    count = 2 * 3 * 3 * 3  # two orientations; 16 voxels in steps of 8 cover 28, 30 and 26
    seen = {float(patch.sum()) for number in range(count // 3) for patch in stream.batch(number).inputs}
    assert len(seen) == count


def test_turned_labels_have_the_field_of_the_turned_label(tmp_path: Path) -> None:
    scene = stream_of("cosmos", tmp_path, rotation=20.0).scene(1)
    expected = forward_field(scene.chi, scene.voxel_size, scene.b0_dir)[scene.mask]
    torch.testing.assert_close(scene.field[scene.mask], expected)
    assert scene.b0_dir == pytest.approx(B0)


def test_mirrored_patches_keep_their_field(tmp_path: Path) -> None:
    """A mirrored patch has a mirrored direction of B0: the dipole still leads from susceptibility to field."""
    data = {"patch": 32, "kind": "cosmos", "folder": str(cosmos_output(tmp_path))}
    made = recipe(data=data, inputs=["field", "tkd"], frame="native")
    stream, cutter = open_stream(made, "training", tmp_path, CPU), Cutter(made)
    mirrored = 0
    for number in range(8):
        batch = cutter.cut(stream.sight(0), (0, 0, 0), stream.draws("patch", number))
        mirrored += batch.b0_dirs[0][1] < 0
        expected = forward_field(batch.truth[0, 0], batch.voxel_sizes[0], batch.b0_dirs[0]) * batch.mask[0, 0]
        torch.testing.assert_close(batch.field[0, 0], expected, rtol=1e-3, atol=1e-5)
    assert 0 < mirrored < 8


def test_scaled_patches_stay_consistent(tmp_path: Path) -> None:
    made = recipe(data={"scale": 4.0, "invert": True, "flips": False})
    stream, plain = open_stream(made, "training", tmp_path, CPU), open_stream(recipe(), "training", tmp_path, CPU)
    factors = set()
    batch, scenes = stream.batch(1), [plain.scene(number) for number in (3, 4, 5)]
    for place, scene in enumerate(scenes):
        factor = float((batch.truth[place, 0] * scene.chi).sum() / scene.chi.square().sum())
        torch.testing.assert_close(batch.truth[place, 0], factor * scene.chi)
        torch.testing.assert_close(batch.inputs[place, 0], factor * scene.field / made.field_sd)
        torch.testing.assert_close(batch.inputs[place, 1], scene.mask.float())
        assert 1.0 <= abs(factor) <= 4.0
        factors.add(factor)
    assert len(factors) == 3


def test_denoisers_see_noise_and_learn_the_field_without(tmp_path: Path) -> None:
    made = recipe(inputs=["field", "noise"], output="field", data={"noise": [0.0, 0.01]})
    stream = open_stream(made, "training", tmp_path, CPU)
    levels = set()
    for number in range(6):
        batch = stream.batch(number)
        for place in range(3):
            level = float(batch.inputs[place, 1].max()) * made.field_sd
            found = float((batch.field - batch.truth)[place].std())
            assert found == pytest.approx(level, rel=0.1, abs=1e-6)
            levels.add(round(level, 4))
    assert levels == {0.0, 0.01}


def test_slices_for_networks_of_slices(tmp_path: Path) -> None:
    made = recipe(parameters={"dims": 2}, data={"kind": "spheres"})
    assert open_stream(made, "training", tmp_path, CPU).batch(0).inputs.shape == (3, 2, 16, 16)


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> None:
    """Change the numbers of a file, and its grid."""
    image = nib.load(path)
    changed = change(np.asarray(image.dataobj, dtype=np.float32))
    nib.save(nib.Nifti1Image(changed, image.affine if affine is None else affine), path)


def test_slices_of_a_volume_thinner_than_a_patch_are_as_likely_as_each_other(tmp_path: Path) -> None:
    made = recipe(parameters={"dims": 2}, data={"patch": 32, "flips": False})
    sight = open_stream(made, "training", tmp_path, CPU).sight(0)
    thin = dataclasses.replace(sight.scene, mask=sight.scene.mask[..., :8])
    numbered = dataclasses.replace(sight, scene=thin, truth=torch.arange(32.0).expand(32, 32, 32))
    cutter = Cutter(made)
    taken = [int(cutter.cut(numbered, None, Draws(seeded(number))).truth.max()) for number in range(80)]
    assert set(taken) == set(range(8)) and taken.count(7) < 25


def test_labels_come_into_the_frame_of_inference(tmp_path: Path) -> None:
    """In thick slices and B0 oblique to them: afterwards voxels of 1 mm, B0 along z, and still the dipole's field."""
    folder, voxel_size = cosmos_output(tmp_path), (0.7, 0.7, 3.0)
    smooth = gaussian(torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)), voxel_size, 4.0)
    axes = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    chi = smooth / smooth.std() * 0.05 * torch.exp(-6.0 * sum(axis**2 for axis in axes))
    field = forward_field(chi, voxel_size, B0)
    for ending, volume in (("desc-cosmos_Chimap", chi), ("desc-local_fieldmap", field), ("desc-local_mask", None)):
        for path in folder.rglob(f"*{ending}.nii.gz"):
            rewrite(path, lambda old, v=volume: old if v is None else v.numpy(), np.diag([*voxel_size, 1.0]))

    scene = open_stream(recipe(data={"kind": "cosmos", "folder": str(folder)}), "training", tmp_path, CPU).scene(0)

    assert scene.voxel_size == (1.0, 1.0, 1.0) and scene.b0_dir == (0.0, 0.0, 1.0)
    expected = forward_field(scene.chi, (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))[scene.mask]
    assert float((scene.field[scene.mask] - expected).norm() / expected.norm()) < 0.15
    along_third_axis_as_stored = forward_field(chi, voxel_size, (0.0, 0.0, 1.0))
    assert float((field - along_third_axis_as_stored).norm() / field.norm()) > 0.3, "the turn makes a difference"


def test_labels_are_laid_upright(tmp_path: Path) -> None:
    plain, stored = cosmos_output(tmp_path / "plain"), cosmos_output(tmp_path / "stored")
    for path in stored.rglob("*.nii.gz"):
        rewrite(path, lambda old: old, np.diag([1.0, -1.0, 1.0, 1.0]))
    one, other = (
        open_stream(
            recipe(data={"kind": "cosmos", "folder": str(folder)}, inputs=["field", "tkd"], frame="native"),
            "training",
            tmp_path,
            CPU,
        ).scene(0)
        for folder in (plain, stored)
    )
    torch.testing.assert_close(other.field, one.field.flip(1))
    torch.testing.assert_close(other.chi, one.chi.flip(1))
    assert other.b0_dir == pytest.approx((0.0, -0.28, 0.96))


@pytest.mark.parametrize(
    ("ending", "change", "told"),
    [
        ("desc-local_fieldmap", lambda old: np.where(old == old.max(), np.nan, old), "not finite"),
        ("desc-local_fieldmap", lambda old: 1000.0 * old, "hardly in ppm"),
        ("desc-local_mask", lambda old: 0.0 * old, "no voxel"),
        ("desc-local_mask", lambda old: old[1:], "grid"),
        ("desc-cosmos_Chimap", None, "cannot be read"),
    ],
)
def test_labels_that_teach_nothing_are_named(ending: str, change: Any, told: str, tmp_path: Path) -> None:
    folder = cosmos_output(tmp_path)
    for path in folder.rglob(f"*{ending}.nii.gz"):
        if change is None:
            path.write_bytes(path.read_bytes()[:2000])
        else:
            rewrite(path, change)
    stream = open_stream(recipe(data={"kind": "cosmos", "folder": str(folder)}), "training", tmp_path, CPU)
    with pytest.raises(InputError, match=told) as found:
        stream.batch(0)
    assert str(folder) in str(found.value)


def test_noise_keeps_its_sign_and_certainty_follows_it(tmp_path: Path) -> None:
    """Where the field is inverted its standard deviation is not."""
    parameters = {"inputs": 3, "width": 2, "levels": 1}
    data = {"scale": 4.0, "invert": True, "noise": [0.001]}
    made = recipe(inputs=["field", "noise", "certainty"], parameters=parameters, data=data)
    batches = [open_stream(made, "training", tmp_path, CPU).batch(number) for number in range(3)]
    noise, certain = (torch.cat([batch.inputs[:, channel] for batch in batches]) for channel in (1, 2))
    assert float(noise.min()) >= 0.0 and float(noise.max()) > 0.001 / made.field_sd
    mask = torch.cat([batch.mask[:, 0] for batch in batches])
    torch.testing.assert_close(certain, mask / (1.0 + (noise * made.field_sd / 0.002).square()))


def test_material_that_is_cut_short_is_made_again(tmp_path: Path) -> None:
    whole = stream_of("heads", tmp_path, kept=2).sight(1)
    path = next(tmp_path.glob("training-native-0-volume-*.pt"))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.warns(RuntimeWarning, match=path.name):
        again = stream_of("heads", tmp_path, kept=2).sight(1)
    torch.testing.assert_close(again.inputs, whole.inputs)


def test_labels_that_lack_something_are_named(tmp_path: Path) -> None:
    folder = cosmos_output(tmp_path)
    made = recipe(data={"kind": "cosmos", "folder": str(folder)})
    field = folder / "sub-1/fmap/sub-1_acq-ori2_desc-local_fieldmap.nii.gz"
    field.unlink()
    with pytest.raises(InputError, match=field.name):
        open_stream(made, "training", tmp_path, CPU)
    empty = recipe(data={"kind": "cosmos", "folder": str(tmp_path / "none")})
    with pytest.raises(InputError, match="no COSMOS label"):
        open_stream(empty, "training", tmp_path, CPU)
