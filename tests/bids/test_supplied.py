"""Intermediates that are supplied stand in for what would make them."""

import shutil

import pytest

from qsmflow.bids.atlas import check_atlas
from qsmflow.bids.discovery import discover
from qsmflow.bids.problems import RefusalError
from tests.builders import add_derivative, edit_sidecar, make_bids
from tests.refusals import only_problem


def test_a_supplied_field_stands_in_for_phase(tmp_path):
    root = make_bids(tmp_path / "raw", parts=("mag",), b0=None, sidecar={"EchoTime": None})
    given = tmp_path / "given"
    local, mask = (add_derivative(given, {"sub": "01"}, kind) for kind in ("local", "brain"))
    found = discover(root, derivatives={"local": given, "mask": given})
    assert found.problems == ()
    series = found.heads[0].series[0]
    assert series.supplied == {"local": local, "mask": mask}
    assert (series.phase, series.echo_times, series.field_strength) == ((), (), None)
    assert len(series.magnitude) == 3


@pytest.mark.parametrize("given", ["local", "total"])
def test_the_magnitudes_tell_how_much_phase_a_supplied_field_is(tmp_path, given):
    root = make_bids(tmp_path / "raw", parts=("mag",))
    add_derivative(tmp_path / "given", {"sub": "01"}, given)
    (head,) = discover(root, derivatives={given: tmp_path / "given"}).heads
    assert (head.series[0].echo_times, head.series[0].field_strength) == ((0.005, 0.010, 0.015), 3.0)
    second = root / "sub-01" / "anat" / "sub-01_echo-2_part-mag_MEGRE.nii.gz"
    edit_sidecar(second, EchoTime=None)
    (head,) = discover(root, derivatives={given: tmp_path / "given"}).heads
    assert (head.series[0].echo_times, head.series[0].field_strength) == ((), 3.0)
    edit_sidecar(second, EchoTime=10.0)
    only_problem(discover(root, derivatives={given: tmp_path / "given"}), field="EchoTime")


def test_one_file_for_the_only_series(tmp_path):
    root = make_bids(tmp_path / "raw")
    mask = add_derivative(tmp_path / "given", {"sub": "x"}, "brain")
    assert discover(root, derivatives={"mask": mask}).heads[0].series[0].supplied == {"mask": mask}
    make_bids(root, subjects=("02",))
    with pytest.raises(RefusalError, match="one file for 2 series"):
        discover(root, derivatives={"mask": mask})


def test_an_atlas_is_for_all_series_and_a_file(tmp_path):
    root = make_bids(tmp_path / "raw", subjects=("01", "02"))
    atlas = add_derivative(tmp_path / "given", {"sub": "x"}, "rois")
    template = add_derivative(tmp_path / "given", {"sub": "x"}, "brain")
    found = discover(root, derivatives={"atlas": atlas, "template": template})
    for head in found.heads:
        (series,) = head.series
        assert series.supplied == {"atlas": atlas, "template": template}
        assert not {atlas, template} & set(series.gridded) and {atlas, template} < set(series.files)
    with pytest.raises(RefusalError, match="give one image, for all series"):
        discover(root, derivatives={"atlas": tmp_path / "given"})


@pytest.mark.parametrize(
    ("supplied", "parts", "message"),
    [
        (("atlas",), ("mag", "phase"), "no template"),
        (("template",), ("mag", "phase"), "no atlas"),
        (("atlas", "template", "labels"), ("mag", "phase"), "labels are supplied as well"),
        (("atlas", "template", "mask", "local"), ("phase",), "the series has no magnitude to register it to"),
    ],
)
def test_what_stands_in_the_way_of_an_atlas(tmp_path, supplied, parts, message):
    root = make_bids(tmp_path / "raw", parts=parts)
    files = {name: add_derivative(tmp_path / name, {"sub": "01"}, kind) for name, kind in KINDS.items()}
    (head,) = discover(root, derivatives={name: files[name] for name in supplied}).heads
    assert [refusal.message for refusal in check_atlas(head.series[0])] == [message]


#: What stands for each supplied intermediate.
KINDS = {"atlas": "rois", "template": "brain", "labels": "rois", "mask": "brain", "local": "local"}


def test_any_single_mask_will_do_but_not_one_of_two(tmp_path):
    root = make_bids(tmp_path / "raw")
    brain = add_derivative(tmp_path / "given", {"sub": "01"}, "brain")
    other = brain.with_name("sub-01_desc-hand_mask.nii.gz")
    brain.rename(other)
    assert discover(root, derivatives={"mask": tmp_path / "given"}).heads[0].series[0].supplied == {"mask": other}
    shutil.copy(other, brain.with_name("sub-01_desc-eye_mask.nii.gz"))
    problem = only_problem(discover(root, derivatives={"mask": tmp_path / "given"}), field="--derivatives mask")
    assert "several of them" in problem.message


def test_derivatives_match_by_whole_entities(tmp_path):
    root = make_bids(tmp_path / "raw", orientations=("ori1",))
    add_derivative(tmp_path / "given", {"sub": "01", "acq": "ori10"}, "brain")
    problem = only_problem(discover(root, derivatives={"mask": tmp_path / "given"}))
    assert "sub-01_acq-ori1_desc-brain_mask" in problem.message


def test_a_supplied_field_must_be_in_ppm(tmp_path):
    root = make_bids(tmp_path / "raw")
    for units in ("Hz", None):
        file = add_derivative(tmp_path / "given", {"sub": "01"}, "local", units=units)
        only_problem(discover(root, derivatives={"local": tmp_path / "given"}), file=file, field="Units")


@pytest.mark.parametrize("named", [{}, {"space": "ori1"}, {"acq": "ori1"}])
def test_cosmos_belongs_to_the_reference(tmp_path, named):
    root = make_bids(tmp_path / "raw", orientations=("ori1", "ori2"))
    cosmos = add_derivative(tmp_path / "given", {"sub": "01", **named}, "cosmos")
    (head,) = discover(root, derivatives={"cosmos": tmp_path / "given"}).heads
    assert [series.supplied for series in head.series] == [{"cosmos": cosmos}, {}]


def test_derivatives_that_do_not_exist(tmp_path):
    make_bids(tmp_path)
    with pytest.raises(RefusalError, match=r"nowhere: --derivatives mask: does not exist"):
        discover(tmp_path, derivatives={"mask": tmp_path / "nowhere"})
    with pytest.raises(
        RefusalError, match="take one of mask, csf, reference, labels, atlas, template, total, local, cosmos"
    ):
        discover(tmp_path, derivatives={"chi": tmp_path})
