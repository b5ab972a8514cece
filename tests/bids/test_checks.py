"""Every bad image of a series, refused with file, field and mend."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmflow.bids.checks import check_head
from qsmflow.bids.discovery import discover
from qsmflow.bids.voxels import voxel_facts
from qsmflow.config import Config, ScalePhase, Unwrap
from tests.builders import edit_image, edit_sidecar, make_bids, save_image
from tests.refusals import MAGNITUDE, PHASE, check, refused


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stored": "siemens"},
        {"as_4d": True, "suffix": "GRE"},
        {"parts": ("real", "imag")},
        {"affine": nib.affines.from_matvec(np.diag([-0.5, 1.0, 2.0]) @ np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]]))},
        {"orientations": ("ori1", "ori2")},
    ],
)
def test_good_input_passes(tmp_path, options):
    make_bids(tmp_path, **options)
    assert check(tmp_path) == []


def test_orientations_may_differ_in_grid(tmp_path):
    make_bids(tmp_path, orientations=("ori1",))
    make_bids(tmp_path, orientations=("ori2",), shape=(6, 7, 8), affine=np.diag([2.0, 2, 2, 1]))
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda data: np.full_like(data, 2.0),
        lambda data: data * 40,
        lambda data: np.abs(data) * 300,
    ],
)
def test_impossible_phase(tmp_path, change):
    make_bids(tmp_path, echoes=(0.01,))
    edit_image(tmp_path / "sub-01" / "anat" / PHASE, change)
    problem = refused(tmp_path, PHASE, "phase range", voxels=True)
    assert "radians" in problem.mend


def test_header_scale_factors_count(tmp_path):
    """Siemens phase as most converters write it: 0..4095 with slope 2 and intercept -4096."""
    make_bids(tmp_path, echoes=(0.01,), stored="siemens")
    path = tmp_path / "sub-01" / "anat" / PHASE
    stored = nib.load(path)
    image = nib.Nifti1Image(np.asanyarray(stored.dataobj), np.eye(4))
    image.header.set_slope_inter(2, -4096)
    nib.save(image, path)
    facts = voxel_facts(path)
    assert nib.load(path).get_fdata().min() == facts.low
    assert check(tmp_path) == []


def test_shapes_that_differ(tmp_path):
    make_bids(tmp_path)
    edit_image(tmp_path / "sub-01" / "anat" / PHASE, lambda data: data[1:])
    assert "7x9x10, but 8x9x10" in refused(tmp_path, PHASE, "shape").message


@pytest.mark.parametrize("shift", [0.2, 5.0])
def test_affines_that_differ(tmp_path, shift):
    make_bids(tmp_path)
    path = tmp_path / "sub-01" / "anat" / PHASE
    affine = np.eye(4)
    affine[1, 3] = shift
    save_image(path, nib.load(path).get_fdata(dtype=np.float32), affine)
    refused(tmp_path, PHASE, "affine")


def test_affines_may_differ_by_rounding(tmp_path):
    make_bids(tmp_path)
    path = tmp_path / "sub-01" / "anat" / PHASE
    save_image(path, nib.load(path).get_fdata(dtype=np.float32), np.diag([1.00001, 1, 1, 1]))
    assert check(tmp_path) == []


@pytest.mark.parametrize("shape", [(8, 9, 1), (8, 9), (1, 9, 8)])
def test_single_slice(tmp_path, shape):
    make_bids(tmp_path, shape=shape)
    refused(tmp_path, "sub-01_echo-1_part-mag_MEGRE.nii.gz", "dim")


def test_two_echoes_do_not_tell_a_bipolar_readout(tmp_path):
    make_bids(tmp_path, echoes=(0.005, 0.010))
    config = Config(unwrap=Unwrap(bipolar="yes"))
    assert refused(tmp_path, PHASE, "EchoTime", config=config).message == "2 in this series"


def test_a_volume_for_every_echo_time(tmp_path):
    make_bids(tmp_path, as_4d=True, suffix="GRE", sidecar={"EchoTime": [0.005, 0.01]})
    name = "sub-01_part-mag_GRE.nii.gz"
    assert "2 echo times for the 3 volumes" in refused(tmp_path, name, "EchoTime").message


@pytest.mark.parametrize(
    "affine", [np.diag([1e-3, 1, 1, 1]), np.diag([50.0, 50, 50, 1]), np.array([[1, 0.5, 0, 0], *np.eye(4)[1:]])]
)
def test_impossible_grids(tmp_path, affine):
    make_bids(tmp_path, affine=affine)
    refused(tmp_path, "sub-01_echo-1_part-mag_MEGRE.nii.gz", "affine")


def test_no_orientation_in_the_header_is_told(tmp_path):
    make_bids(tmp_path, echoes=(0.01,))
    for path in sorted(tmp_path.rglob("*.nii.gz")):
        image = nib.Nifti1Image(np.asanyarray(nib.load(path).dataobj), None)
        nib.save(image, path)
    (problem,) = check(tmp_path)
    assert (problem.field, problem.stops) == ("sform", False)


def test_complex_voxels(tmp_path):
    make_bids(tmp_path)
    edit_image(tmp_path / "sub-01" / "anat" / PHASE, lambda data: data.astype(np.complex64))
    refused(tmp_path, PHASE, "datatype")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_voxels(tmp_path, value):
    def spoil(data):
        data[:2, 0, 0] = value
        return data

    make_bids(tmp_path)
    edit_image(tmp_path / "sub-01" / "anat" / MAGNITUDE, spoil)
    assert refused(tmp_path, MAGNITUDE, "voxels", voxels=True).message.startswith("2 ")
    (told,) = check(tmp_path, Config(scale_phase=ScalePhase(nonfinite="zero")))
    assert not told.stops
    assert "set to 0" in told.mend


def test_constant_magnitude(tmp_path):
    make_bids(tmp_path)
    edit_image(tmp_path / "sub-01" / "anat" / MAGNITUDE, np.zeros_like)
    refused(tmp_path, MAGNITUDE, "voxels", voxels=True)


def test_negative_magnitude(tmp_path):
    make_bids(tmp_path)
    edit_image(tmp_path / "sub-01" / "anat" / MAGNITUDE, lambda data: data - 75)
    assert "magnitude down to -" in refused(tmp_path, MAGNITUDE, "voxels", voxels=True).message


def test_real_siemens_phantom(tmp_path, shared_data):
    root = make_bids(tmp_path, subjects=())
    anat = root / "sub-01" / "anat"
    anat.mkdir(parents=True)
    for echo in (1, 2):
        for part, stem in (("mag", "magnitude"), ("phase", "phase")):
            for extension in ("json", "nii.gz"):
                source = shared_data / "fieldmap_phantom" / f"sub-fieldmap_{stem}{echo}.{extension}"
                (anat / f"sub-01_echo-{echo}_part-{part}_MEGRE.{extension}").symlink_to(source.resolve())
    assert check(root) == []


def test_one_empty_phase_among_good_ones_is_named(tmp_path: Path) -> None:
    bids = make_bids(tmp_path / "bids")
    empty = bids / "sub-01" / "anat" / "sub-01_echo-2_part-phase_MEGRE.nii.gz"
    edit_image(empty, lambda data: data * 0)
    (problem,) = check_head(discover(bids).heads[0], Config())
    assert problem.file == empty and problem.stops and "every voxel is 0" in problem.message


def test_orientations_of_two_scanners_are_refused(tmp_path: Path) -> None:
    bids = make_bids(tmp_path / "bids", orientations=("ori1", "ori2"))
    for image in (bids / "sub-01" / "anat").glob("*acq-ori2*.nii.gz"):
        edit_sidecar(image, MagneticFieldStrength=7)
    (problem,) = [p for p in check_head(discover(bids).heads[0], Config()) if p.stops]
    assert problem.field == "MagneticFieldStrength" and "7 T, but 3 T" in problem.message


def test_the_odd_file_is_blamed_and_told_once(tmp_path: Path) -> None:
    bids = make_bids(tmp_path / "bids")
    odd = bids / "sub-01" / "anat" / "sub-01_echo-1_part-mag_MEGRE.nii.gz"
    edit_image(odd, lambda data: data[:-1])
    (problem,) = check_head(discover(bids).heads[0], Config())
    assert problem.file == odd and problem.field == "shape"
