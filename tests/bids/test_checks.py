"""Every bad input by its image, refused with file, field and mend."""

import gzip
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmflow.bids import voxels
from qsmflow.bids.checks import check_head, check_layout
from qsmflow.bids.discovery import discover
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.voxels import FactsCache, voxel_facts
from qsmflow.config import Config, ScalePhase, Unwrap
from qsmflow.errors import InputError
from tests.builders import SHAPE, add_derivative, edit_image, edit_sidecar, make_bids, save_image

PHASE = "sub-01_echo-1_part-phase_MEGRE.nii.gz"
MAGNITUDE = "sub-01_echo-2_part-mag_MEGRE.nii.gz"


def check(root, config=None, **options):
    found = discover(root, **{key: options.pop(key) for key in ("derivatives",) if key in options})
    assert found.problems == ()
    (head,) = found.heads
    return check_head(head, config or Config(), **options)


def refused(root, name, field, *, voxels=False, **options):
    """The first problem, checked to name file, field and mend in one line; `voxels`: only seen in the voxels."""
    if voxels:
        assert check(root, voxels=False, **options) == []
    problems = check(root, voxels=voxels, **options)
    problem = problems[0]
    assert problem.stops
    assert problem.file.name == name
    assert problem.field == field
    assert problem.subject == "01"
    assert str(problem) == f"{problem.file}: {field}: {problem.message}; {problem.mend}"
    assert problem.mend
    return problem


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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros(SHAPE, np.uint8), "empty"),
        (np.ones(SHAPE, np.uint8), "every voxel"),
        (np.linspace(0, 1, 720, dtype=np.float32).reshape(SHAPE), "between 0 and 1"),
    ],
)
def test_useless_masks(tmp_path, data, message):
    root = make_bids(tmp_path / "raw")
    mask = add_derivative(tmp_path / "given", {"sub": "01"}, "brain", data)
    options = {"derivatives": {"mask": tmp_path / "given"}}
    assert message in refused(root, mask.name, "mask", voxels=True, **options).message


def test_a_mask_off_the_grid(tmp_path):
    root = make_bids(tmp_path / "raw")
    mask = add_derivative(tmp_path / "given", {"sub": "01"}, "brain", np.ones((4, 4, 4), np.uint8))
    refused(root, mask.name, "shape", derivatives={"mask": tmp_path / "given"})


def test_a_field_that_is_not_in_ppm(tmp_path):
    root = make_bids(tmp_path / "raw")
    hertz = np.linspace(-900, 900, 720, dtype=np.float32).reshape(SHAPE)
    path = add_derivative(tmp_path / "given", {"sub": "01"}, "total", hertz)
    refused(root, path.name, "Units", voxels=True, derivatives={"total": tmp_path / "given"})


def test_a_mask_must_come_from_somewhere(tmp_path):
    root = make_bids(tmp_path / "raw", parts=("phase",), echoes=(0.01,))
    local = add_derivative(tmp_path / "given", {"sub": "01"}, "local")
    refused(root, local.name, "part-mag", derivatives={"local": tmp_path / "given"})
    add_derivative(tmp_path / "given", {"sub": "01"}, "brain")
    given = {"local": tmp_path / "given", "mask": tmp_path / "given"}
    assert check(root, derivatives=given) == []
    problem = check(root, Config(inversion=("l2", "medi")), derivatives=given)[0]
    assert problem.stops and problem.field == "part-mag" and "medi" in problem.message


def test_a_nonlinear_inversion_needs_the_scale_of_the_phase(tmp_path):
    root = make_bids(tmp_path / "raw")
    assert check(root, Config(inversion=("tv", "nltv"))) == []
    add_derivative(tmp_path / "given", {"sub": "01"}, "local")
    given = {"local": tmp_path / "given"}
    assert check(root, Config(inversion=("tv",)), derivatives=given) == []
    problem = check(root, Config(inversion=("tv", "nltv")), derivatives=given)[0]
    assert problem.stops and problem.field == "EchoTime" and "nltv" in problem.message


def test_a_reference_needs_its_mask(tmp_path):
    root = make_bids(tmp_path / "raw")
    problem = check(root, Config(reference="mask"))[0]
    assert problem.stops and "--derivatives reference=PATH" in problem.mend
    add_derivative(tmp_path / "given", {"sub": "01"}, "reference")
    assert check(root, Config(reference="mask"), derivatives={"reference": tmp_path / "given"}) == []


def test_the_fluid_must_be_supplied_or_seen(tmp_path):
    settings, given = Config(reference="csf"), tmp_path / "given"
    assert check(make_bids(tmp_path / "several"), settings) == []
    single = make_bids(tmp_path / "single", echoes=(0.02,))
    problem = check(single, settings)[0]
    assert problem.stops and "two echoes" in problem.message and "--derivatives csf=PATH" in problem.mend
    for kind in ("csf", "total", "local"):
        add_derivative(given, {"sub": "01"}, kind)
    assert check(single, settings, derivatives={"csf": given}) == []
    for kind in ("total", "local"):
        problem = check(tmp_path / "several", settings, derivatives={kind: given})[0]
        assert problem.stops and "a field is supplied" in problem.message
        assert check(tmp_path / "several", settings, derivatives={kind: given, "csf": given}) == []


def test_registration_needs_a_magnitude(tmp_path):
    root = make_bids(tmp_path / "raw", orientations=("ori1", "ori2"), echoes=(0.01,))
    for kind in ("local", "brain"):
        for orientation in ("ori1", "ori2"):
            add_derivative(tmp_path / "given", {"sub": "01", "acq": orientation}, kind)
    (root / "sub-01" / "anat" / "sub-01_acq-ori2_echo-1_part-mag_MEGRE.nii.gz").unlink()
    given = {"local": tmp_path / "given", "mask": tmp_path / "given"}
    name = "sub-01_acq-ori2_desc-local_fieldmap.nii.gz"
    problem = refused(root, name, "part-mag", derivatives=given)
    assert "register" in problem.message


# --- damaged files -----------------------------------------------------------------------------------------------


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
    assert facts.fractional == np.count_nonzero((good > 0) & (good < 1))


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


# --- the dataset as a whole --------------------------------------------------------------------------------------


def test_layout_passes(tmp_path):
    root = make_bids(tmp_path / "raw")
    check_layout(root, tmp_path / "new" / "out", ["01"])
    check_layout(root, root / "derivatives" / "qsmflow")
    assert not (tmp_path / "new").exists()
    assert not (root / "derivatives").exists()


def layout_refused(*args):
    with pytest.raises(RefusalError) as caught:
        check_layout(*args)
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_dataset(tmp_path):
    assert "no such folder; give" in layout_refused(tmp_path / "nowhere")
    assert "dataset_description.json: file: missing; add it" in layout_refused(tmp_path)


def test_no_such_subject(tmp_path):
    root = make_bids(tmp_path)
    assert f"{root}: --participant-label: no folder sub-99; the subjects are: 01" in layout_refused(root, None, ["99"])


@pytest.mark.parametrize("place", [".", "sub-01", "derivatives", "sourcedata/x", "../raw/out"])
def test_output_inside_input(tmp_path, place):
    root = make_bids(tmp_path / "raw")
    assert "OUT: lies inside the input; choose" in layout_refused(root, root / place)


def test_output_inside_input_by_a_link(tmp_path):
    root = make_bids(tmp_path / "raw")
    (tmp_path / "link").symlink_to(root)
    assert "lies inside the input" in layout_refused(root, tmp_path / "link" / "out")


def test_unwritable_output(tmp_path):
    root = make_bids(tmp_path / "raw")
    (tmp_path / "file").touch()
    assert "OUT: cannot be written" in layout_refused(root, tmp_path / "file" / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_without_permission(tmp_path):
    root = make_bids(tmp_path / "raw")
    (tmp_path / "shut").mkdir(mode=0o500)
    assert "OUT: cannot be written" in layout_refused(root, tmp_path / "shut" / "out")


# --- real data ---------------------------------------------------------------------------------------------------


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
