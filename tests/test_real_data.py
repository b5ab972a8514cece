"""Real data through the command line: what labs have, not what we simulate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from benchmarks.prelude import agreement, prelude_pair
from qsmflow.bids.write import describe_dataset, write_json
from qsmflow.cli.main import main
from qsmflow.core.kspace.combine import combine, root_sum_of_squares
from qsmflow.core.kspace.espirit import espirit
from qsmflow.core.kspace.fourier import to_image
from qsmflow.core.kspace.grappa import grappa
from qsmflow.core.unwrap import unwrap_series
from tests.builders import save_image


def run(*words: object) -> int:
    """`qsmflow run` in this process."""
    return main(["run", *map(str, words), "--plugin", "Linear", "--skip-bids-validation"])


def values(path: Path) -> np.ndarray:
    """Voxels of an image."""
    return np.asarray(nib.load(path).dataobj, dtype=np.float32)


def raw_dataset(root: Path) -> Path:
    """An empty BIDS dataset; returns its anat folder."""
    describe_dataset(root, "Real data", derivative=False)
    anat = root / "sub-01" / "anat"
    anat.mkdir(parents=True)
    return anat


def test_three_echoes_of_a_block(shared_data: Path, tmp_path: Path) -> None:
    """`gre_3echo`: a block inside a brain, wrapped phase in radians."""
    anat = raw_dataset(tmp_path / "bids")
    source = shared_data / "gre_3echo"
    for part, name in (("mag", "magnitude"), ("phase", "phase")):
        image = nib.load(source / f"{name}.nii.gz")
        for echo, te in enumerate((0.004, 0.008, 0.012)):
            sidecar = {"EchoTime": te, "MagneticFieldStrength": 7.0}
            if part == "phase":
                sidecar["Units"] = "rad"
            path = anat / f"sub-01_echo-{echo + 1}_part-{part}_MEGRE.nii.gz"
            save_image(path, np.asarray(image.dataobj, dtype=np.float32)[..., echo], image.affine, sidecar)
    out = tmp_path / "out"
    assert run(tmp_path / "bids", out, "participant") == 0
    mask = values(out / "sub-01" / "anat" / "sub-01_desc-local_mask.nii.gz") > 0
    assert mask.mean() > 0.3
    for method in ("qsmnet", "l2"):
        chi = values(out / "sub-01" / "anat" / f"sub-01_desc-{method}_Chimap.nii.gz")
        assert np.isfinite(chi).all()
        assert 0.005 < chi[mask].std() < 0.3, "susceptibility of a brain, ppm"
    assert (out / "sub-01.html").stat().st_size > 50_000


@pytest.mark.long
def test_local_field_and_mask_supplied(shared_data: Path, tmp_path: Path) -> None:
    """`challenge2016`: the graph starts at the local field."""
    source = shared_data / "challenge2016"
    bids, given = tmp_path / "bids", tmp_path / "given"
    anat = raw_dataset(bids)
    shutil.copy(source / "magnitude.nii.gz", anat / "sub-01_part-mag_MEGRE.nii.gz")
    write_json(anat / "sub-01_part-mag_MEGRE.json", {"EchoTime": 0.025, "MagneticFieldStrength": 2.8936})
    describe_dataset(given, "Local field of the challenge")
    for folder, name, origin, told in (
        ("anat", "desc-brain_mask", "mask", {"Type": "Brain"}),
        ("fmap", "desc-local_fieldmap", "localfield_ppm", {"Units": "ppm", "SkullStripped": True}),
    ):
        path = given / "sub-01" / folder / f"sub-01_{name}.nii.gz"
        path.parent.mkdir(parents=True)
        shutil.copy(source / f"{origin}.nii.gz", path)
        write_json(path.with_name(path.name.replace(".nii.gz", ".json")), told)
    out = tmp_path / "out"
    assert run(bids, out, "participant", "-d", f"local={given}", f"mask={given}") == 0
    mask = values(source / "mask.nii.gz") > 0
    chi, l2 = (values(out / "sub-01" / "anat" / f"sub-01_desc-{m}_Chimap.nii.gz") for m in ("qsmnet", "l2"))
    assert not chi[~mask].any() and not l2[~mask].any()
    assert np.corrcoef(chi[mask], l2[mask])[0, 1] > 0.7
    assert 0.02 < l2[mask].std() < 0.12
    assert not list(out.rglob("*total_fieldmap*"))


def test_siemens_phase_of_a_sphere(shared_data: Path, tmp_path: Path) -> None:
    """`fieldmap_phantom`: 0..4095 with the scanner's own JSON gives a smooth total field in ppm."""
    source = shared_data / "fieldmap_phantom"
    anat = raw_dataset(tmp_path / "bids")
    for echo in (1, 2):
        for part, name in (("mag", "magnitude"), ("phase", "phase")):
            stem = f"sub-01_echo-{echo}_part-{part}_MEGRE"
            shutil.copy(source / f"sub-fieldmap_{name}{echo}.nii.gz", anat / f"{stem}.nii.gz")
            sidecar = json.loads((source / f"sub-fieldmap_{name}{echo}.json").read_text())
            write_json(anat / f"{stem}.json", sidecar)
    out = tmp_path / "out"
    assert run(tmp_path / "bids", out, "participant") == 0
    field = values(out / "sub-01" / "fmap" / "sub-01_desc-total_fieldmap.nii.gz")
    mask = values(out / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz") > 0
    told = json.loads((out / "sub-01" / "fmap" / "sub-01_desc-total_fieldmap.json").read_text())
    assert told["Units"] == "ppm"
    inside = mask[1:] & mask[:-1]
    steps = np.abs(np.diff(field, axis=0))[inside]
    turn = 1 / (42.577478518 * 3 * (0.0055 - 0.0025))
    assert np.quantile(steps, 0.99) < 0.1 * turn, "a jump of a whole turn would be a failed unwrap"
    assert 0.01 < field[mask].std() < 3


@pytest.mark.parametrize(
    ("method", "all_voxels", "with_signal"),
    [("romeo", 0.87, 0.97), ("best_path", 0.89, 0.99), ("segue", 0.95, 0.99), ("laplacian", 0.25, 0.25)],
)
def test_agrees_with_prelude(shared_data: Path, method: str, all_voxels: float, with_signal: float) -> None:
    """`prelude_pair`: the mask holds voxels of noise, on which no two methods agree; those with signal must.

    The Laplacian leaves a smooth background out, so that it is another number of turns away from place to place.
    """
    pair = prelude_pair(shared_data)
    unwrapped = pair.unwrapped(method)
    assert agreement(unwrapped, pair, pair.mask) > all_voxels
    assert agreement(unwrapped, pair, pair.signal) > with_signal
    if method != "laplacian":
        turns = (unwrapped - pair.phase)[pair.mask] / (2 * torch.pi)
        assert float((turns - turns.round()).abs().max()) < 1e-4


def test_a_ramp_put_into_real_echoes_is_found(shared_data: Path) -> None:
    """`gre_3echo`: echoes of one direction show no ramp; what is added to the second one comes out again."""
    from qsmflow.core.bipolar import alternate
    from qsmflow.core.field import wrap
    from qsmflow.interfaces.volume import load_echoes

    phase, magnitude = (
        load_echoes(shared_data / "gre_3echo" / f"{name}.nii.gz").data for name in ("phase", "magnitude")
    )
    mask = magnitude[2] > 0.3 * magnitude[2].median()
    te, size = (0.004, 0.008, 0.012), (0.469, 0.469, 1.0)
    plain = unwrap_series(phase, magnitude, te, size, mask)
    assert plain.ramp == 0
    ramp = torch.linspace(-1.5, 1.5, phase.shape[1]).reshape(-1, 1, 1).expand(phase.shape[1:])
    ramped = unwrap_series(wrap(phase + alternate(ramp, 3)), magnitude, te, size, mask)
    assert abs(ramped.ramp - 6.0) < 0.6


def test_eight_coils_of_a_slice(shared_data: Path) -> None:
    """`brain_8ch_kspace`: GRAPPA fills two accelerated axes, ESPIRiT's maps hold the coils' images.

    The bounds are what pygrappa (6.6 %) and sigpy (10.75 %) reach with the same data and kernel sizes.
    """
    folder = shared_data / "brain_8ch_kspace"
    full, undersampled = (torch.from_numpy(np.load(folder / f"{name}.npy"))[..., None] for name in ("full", "und2x2"))
    images = to_image(full)
    true, found = root_sum_of_squares(images), root_sum_of_squares(to_image(grappa(undersampled)))
    assert float((found - true).norm() / true.norm()) < 0.066
    for kspace in (full, undersampled):
        maps = espirit(kspace, crop=0.0, soft=False)[0][0]
        rest = images - maps * combine(images, maps)
        assert float(rest.norm() / images.norm()) < 0.1076
