"""What the settings and the supplied images need of each other."""

import numpy as np
import pytest

from qsmflow.config import Config
from tests.builders import SHAPE, add_derivative, edit_sidecar, make_bids
from tests.refusals import check, refused


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros(SHAPE, np.uint8), "empty"),
        (np.ones(SHAPE, np.uint8), "every voxel"),
        (np.linspace(0, 1, 720, dtype=np.float32).reshape(SHAPE), "no whole numbers"),
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


@pytest.mark.parametrize("lacking", ["EchoTime", "MagneticFieldStrength"])
def test_a_nonlinear_inversion_needs_the_scale_of_the_phase(tmp_path, lacking):
    root = make_bids(tmp_path / "raw")
    for kind in ("local", "brain"):
        add_derivative(tmp_path / "given", {"sub": "01"}, kind)
    given = {"local": tmp_path / "given", "mask": tmp_path / "given"}
    both = Config(inversion=("tv", "nltv", "medi"))
    assert check(root, both) == []
    assert check(root, both, derivatives=given) == []
    for path in (root / "sub-01" / "anat").glob("*part-mag*.nii.gz"):
        edit_sidecar(path, **{lacking: None})
    assert check(root, Config(inversion=("tv",)), derivatives=given) == []
    problem = refused(root, "sub-01_echo-1_part-mag_MEGRE.json", lacking, config=both, derivatives=given)
    assert "nltv" in problem.message and "add it" in problem.mend
    (problem,) = check(root, Config(inversion=("medi",)), derivatives=given)
    assert not problem.stops and problem.field == lacking and "linear" in problem.message
    for path in (root / "sub-01" / "anat").glob("*part-mag*"):
        path.unlink()
    name = "sub-01_desc-local_fieldmap.nii.gz"
    refused(root, name, "EchoTime", config=Config(inversion=("nltv",)), derivatives=given)


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
