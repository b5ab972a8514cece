"""Real data through the command line: what labs have, not what we simulate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from qsmflow.bids.write import describe_dataset, write_json
from qsmflow.cli.main import main
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
    for method in ("tkd", "l2"):
        chi = values(out / "sub-01" / "anat" / f"sub-01_desc-{method}_Chimap.nii.gz")
        assert np.isfinite(chi).all()
        assert 0.005 < chi[mask].std() < 0.3, "susceptibility of a brain, ppm"
    assert (out / "sub-01.html").stat().st_size > 50_000


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
    tkd, l2 = (values(out / "sub-01" / "anat" / f"sub-01_desc-{m}_Chimap.nii.gz") for m in ("tkd", "l2"))
    assert not tkd[~mask].any() and not l2[~mask].any()
    assert np.corrcoef(tkd[mask], l2[mask])[0, 1] > 0.7
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
