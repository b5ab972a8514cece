"""What is found in a dataset, and what is refused by its names and sidecars alone."""

import json
import shutil

import bids.layout
import numpy as np
import pytest

from qsmflow.bids.checks import check_head
from qsmflow.bids.discovery import discover
from qsmflow.bids.filters import read_filters
from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.sidecars import Sidecars
from qsmflow.config import CoilCombine, Config
from tests.builders import add_derivative, edit_sidecar, make_bids, save_image


def image(root, name, subject="01"):
    return root / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz"


def only_problem(found, **hits):
    """The single problem that keeps the only head out, checked to name file, field and mend in one line."""
    (problem,) = found.problems
    assert problem.stops
    assert found.heads == ()
    for name, value in hits.items():
        assert getattr(problem, name) == value
    text = str(problem)
    assert str(problem.file) in text
    assert problem.field in text
    assert problem.mend and problem.mend in text
    assert "\n" not in text
    return problem


# --- what can be used --------------------------------------------------------------------------------------------


def test_echoes_and_orientations(tmp_path):
    make_bids(tmp_path, orientations=("ori10", "ori2", "ori1"))
    (head,) = discover(tmp_path).heads
    assert head.name == "sub-01"
    assert [series.entities["acq"] for series in head.series] == ["ori1", "ori2", "ori10"]
    series = head.series[0]
    assert series.name == "sub-01_acq-ori1"
    assert series.echo_times == (0.005, 0.010, 0.015)
    assert series.field_strength == 3.0
    assert series.b0_dir is None
    assert [path.name for path in series.phase] == [
        f"sub-01_acq-ori1_echo-{i}_part-phase_MEGRE.nii.gz" for i in (1, 2, 3)
    ]
    assert len(series.magnitude) == 3


@pytest.mark.parametrize("suffix", ["GRE", "T2starw", "T2star"])
def test_single_echo(tmp_path, suffix):
    make_bids(tmp_path, echoes=(0.02,), suffix=suffix)
    (head,) = discover(tmp_path).heads
    assert head.series[0].echo_times == (0.02,)


def test_ten_echoes_come_in_order(tmp_path):
    times = tuple(0.002 * i for i in range(1, 12))
    make_bids(tmp_path, echoes=times)
    assert discover(tmp_path).heads[0].series[0].echo_times == pytest.approx(times)


def test_4d_echoes(tmp_path):
    make_bids(tmp_path, as_4d=True, suffix="GRE")
    series = discover(tmp_path).heads[0].series[0]
    assert len(series.phase) == len(series.magnitude) == 1
    assert series.echo_times == (0.005, 0.010, 0.015)


def test_real_and_imaginary(tmp_path):
    make_bids(tmp_path, parts=("real", "imag"))
    series = discover(tmp_path).heads[0].series[0]
    assert len(series.real) == len(series.imag) == 3
    assert series.phase == series.magnitude == ()


def test_magnitude_without_part(tmp_path):
    make_bids(tmp_path, parts=("", "phase"), suffix="T2starw", echoes=(0.02,))
    series = discover(tmp_path).heads[0].series[0]
    assert series.magnitude[0].name == "sub-01_T2starw.nii.gz"


def test_entities_match_as_wholes(tmp_path):
    make_bids(tmp_path, more={"rec": "adapt"})
    make_bids(tmp_path, more={"rec": "adaptSoS"}, echoes=(0.004, 0.008))
    heads = discover(tmp_path).heads
    assert [head.name for head in heads] == ["sub-01_rec-adapt", "sub-01_rec-adaptSoS"]
    assert [len(head.series[0].phase) for head in heads] == [3, 2]


@pytest.mark.parametrize("entity", ["run", "dir", "rec"])
def test_any_entity_tells_orientations_apart(tmp_path, entity):
    make_bids(tmp_path, orientations=("1", "2"), entity=entity)
    (head,) = discover(tmp_path, orientation_entity=entity).heads
    assert [series.entities[entity] for series in head.series] == ["1", "2"]
    found = discover(tmp_path)
    assert len(found.heads) == 2
    (notice,) = found.problems
    assert not notice.stops and notice.field == entity and f"--orientation-entity {entity}" in notice.mend


def test_sessions_and_participants(tmp_path):
    make_bids(tmp_path, subjects=("01", "02", "10"), sessions=("a", "b"))
    names = [head.name for head in discover(tmp_path, participants=["sub-10", "02"], sessions=["ses-b"]).heads]
    assert names == ["sub-02_ses-b", "sub-10_ses-b"]


def test_b0_dir_of_the_sidecar(tmp_path):
    make_bids(tmp_path, sidecar={"B0_dir": [0, 0.6, 0.8]})
    assert discover(tmp_path).heads[0].series[0].b0_dir == pytest.approx((0, 0.6, 0.8))


def test_inherited_metadata_as_pybids_reads_it(tmp_path):
    make_bids(tmp_path, subjects=("01", "02"), sidecar={"EchoTime": None}, b0=None)
    (tmp_path / "MEGRE.json").write_text(json.dumps({"MagneticFieldStrength": 7, "FlipAngle": 10}))
    (tmp_path / "sub-02" / "sub-02_MEGRE.json").write_text(json.dumps({"MagneticFieldStrength": 3}))
    for echo in (1, 2, 3):
        (tmp_path / f"echo-{echo}_MEGRE.json").write_text(json.dumps({"EchoTime": 0.004 * echo}))
    layout = bids.layout.BIDSLayout(tmp_path)
    sidecars = Sidecars()
    for file in layout.get(suffix="MEGRE", extension=".nii.gz"):
        theirs = file.get_metadata()
        ours = sidecars.metadata(file._path)
        assert {key: ours[key] for key in theirs} == theirs
    one, two = discover(tmp_path).heads
    assert (one.series[0].field_strength, two.series[0].field_strength) == (7, 3)
    assert one.series[0].echo_times == pytest.approx((0.004, 0.008, 0.012))


def test_filter_file(tmp_path):
    root = make_bids(tmp_path / "raw", orientations=("ori1", "ori2"), sessions=("a",))
    make_bids(root, suffix="GRE", echoes=(0.02,), orientations=("x",), sessions=("a",))
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"megre": {"acquisition": ["ori2"], "session": "a", "run": None}, "gre": {"echo": 9}}))
    (head,) = discover(root, filters=read_filters(file)).heads
    assert [series.name for series in head.series] == ["sub-01_ses-a_acq-ori2"]
    (head,) = discover(root, filters={"gre": {"acq": None}, "megre": {"acq": "*", "echo": [1, 2]}}).heads
    assert [len(series.phase) for series in head.series] == [2, 2]


@pytest.mark.parametrize("content", ['{"mgre": {}}', '{"megre": {"orientation": "1"}}', '{"megre": 3}', "[]", "{"])
def test_bad_filter_file(tmp_path, content):
    file = tmp_path / "filter.json"
    file.write_text(content)
    with pytest.raises(RefusalError) as caught:
        read_filters(file)
    assert str(file) in str(caught.value)


# --- supplied intermediates --------------------------------------------------------------------------------------


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


def test_one_file_for_the_only_series(tmp_path):
    root = make_bids(tmp_path / "raw")
    mask = add_derivative(tmp_path / "given", {"sub": "x"}, "brain")
    assert discover(root, derivatives={"mask": mask}).heads[0].series[0].supplied == {"mask": mask}
    make_bids(root, subjects=("02",))
    with pytest.raises(RefusalError, match="one file for 2 series"):
        discover(root, derivatives={"mask": mask})


def test_any_single_mask_will_do_but_not_one_of_two(tmp_path):
    root = make_bids(tmp_path / "raw")
    brain = add_derivative(tmp_path / "given", {"sub": "01"}, "brain")
    other = brain.with_name("sub-01_desc-hand_mask.nii.gz")
    brain.rename(other)
    assert discover(root, derivatives={"mask": tmp_path / "given"}).heads[0].series[0].supplied == {"mask": other}
    shutil.copy(other, brain.with_name("sub-01_desc-eye_mask.nii.gz"))
    problem = only_problem(discover(root, derivatives={"mask": tmp_path / "given"}), field="--derivatives mask")
    assert "several masks" in problem.message


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
    with pytest.raises(RefusalError, match="take one of mask, csf, reference, total, local, cosmos"):
        discover(tmp_path, derivatives={"chi": tmp_path})


# --- what is refused ---------------------------------------------------------------------------------------------


def test_no_phase(tmp_path):
    make_bids(tmp_path, parts=("mag",))
    only_problem(discover(tmp_path), file=image(tmp_path, "echo-1_part-mag_MEGRE"), field="part-phase", subject="01")


def test_other_protocols_do_not_stop_a_subject(tmp_path):
    make_bids(tmp_path)
    make_bids(tmp_path, parts=("",), suffix="T2starw", echoes=(0.02,), more={"acq": "swi"})
    found = discover(tmp_path)
    assert len(found.heads) == 1
    assert [problem.stops for problem in found.problems] == [False]


@pytest.mark.parametrize("part", ["mag", "phase"])
def test_a_missing_echo(tmp_path, part):
    make_bids(tmp_path)
    image(tmp_path, f"echo-2_part-{part}_MEGRE").unlink()
    only_problem(discover(tmp_path), field=f"part-{part}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "missing"),
        (5, "milliseconds"),
        (-0.01, "no time"),
        ("5 ms", "no time"),
        (True, "no time"),
        (0, "no time"),
    ],
)
def test_bad_echo_time(tmp_path, value, message):
    make_bids(tmp_path, echoes=(0.005,))
    path = image(tmp_path, "echo-1_part-phase_MEGRE")
    edit_sidecar(image(tmp_path, "echo-1_part-mag_MEGRE"), EchoTime=value)
    file = edit_sidecar(path, EchoTime=value)
    problem = only_problem(discover(tmp_path), file=file, field="EchoTime")
    assert message in problem.message


@pytest.mark.parametrize(("times", "message"), [((0.01, 0.005), "shorter"), ((0.01, 0.01), "the same")])
@pytest.mark.parametrize("as_4d", [True, False])
def test_unordered_and_duplicate_echo_times(tmp_path, times, message, as_4d):
    make_bids(tmp_path, echoes=times, as_4d=as_4d)
    assert message in only_problem(discover(tmp_path), field="EchoTime").message


def test_parts_that_disagree(tmp_path):
    make_bids(tmp_path)
    file = edit_sidecar(image(tmp_path, "echo-2_part-mag_MEGRE"), EchoTime=0.011)
    only_problem(discover(tmp_path), file=file, field="EchoTime")


@pytest.mark.parametrize(("field", "wrong"), [("EchoTime", "four"), ("MagneticFieldStrength", 30000)])
@pytest.mark.parametrize("part", ["mag", "phase"])
def test_the_impossible_one_of_two_that_disagree_is_blamed(tmp_path, field, wrong, part):
    make_bids(tmp_path)
    file = edit_sidecar(image(tmp_path, f"echo-2_part-{part}_MEGRE"), **{field: wrong})
    only_problem(discover(tmp_path), file=file, field=field)


@pytest.mark.parametrize("value", [None, 0, 30000, "3T", -3, float("inf")])
def test_bad_field_strength(tmp_path, value):
    make_bids(tmp_path, b0=value)
    problem = only_problem(discover(tmp_path), field="MagneticFieldStrength")
    assert "tesla" in problem.mend


@pytest.mark.parametrize("value", [[0, 0], [0, 0, 0], "z", [0, 0, 3], [0, 0, None]])
def test_malformed_b0_dir(tmp_path, value):
    make_bids(tmp_path, sidecar={"B0_dir": value})
    only_problem(discover(tmp_path), field="B0_dir", file=sidecar_path(image(tmp_path, "echo-1_part-phase_MEGRE")))


def test_every_fault_of_a_sidecar_is_told(tmp_path):
    make_bids(tmp_path, b0=None, sidecar={"EchoTime": None, "B0_dir": 1})
    fields = {problem.field for problem in discover(tmp_path).problems}
    assert fields == {"EchoTime", "MagneticFieldStrength", "B0_dir"}


def test_a_sidecar_that_is_no_json(tmp_path):
    make_bids(tmp_path)
    file = sidecar_path(image(tmp_path, "echo-1_part-mag_MEGRE"))
    file.write_text('{"EchoTime": ')
    only_problem(discover(tmp_path), file=file, field="JSON")


def test_one_bad_orientation_stops_its_head_alone(tmp_path):
    make_bids(tmp_path, subjects=("01", "02"), orientations=("ori1", "ori2"))
    image(tmp_path, "acq-ori2_echo-1_part-phase_MEGRE").unlink()
    found = discover(tmp_path)
    assert [head.name for head in found.heads] == ["sub-02"]
    assert [(problem.subject, problem.series) for problem in found.problems] == [("01", "sub-01_acq-ori2")]


def test_an_orientation_without_its_entity(tmp_path):
    make_bids(tmp_path, orientations=("", "ori2"))
    only_problem(discover(tmp_path), field="acq", series="sub-01")


def test_two_files_for_one_image(tmp_path):
    make_bids(tmp_path)
    path = image(tmp_path, "echo-1_part-phase_MEGRE")
    save_image(path.with_suffix(""), np.zeros((2, 2, 2), np.float32))
    assert "keep one" in only_problem(discover(tmp_path), field="name").mend


def test_two_suffixes_of_one_name(tmp_path):
    make_bids(tmp_path)
    make_bids(tmp_path, suffix="T2starw")
    found = discover(tmp_path)
    assert len(found.heads) == 1
    assert [problem.field for problem in found.problems] == ["suffix"]


def test_a_file_in_the_wrong_folder(tmp_path):
    make_bids(tmp_path)
    stray = tmp_path / "sub-01" / "anat" / "sub-02_part-mag_GRE.nii.gz"
    shutil.copy(image(tmp_path, "echo-1_part-mag_MEGRE"), stray)
    assert [problem.file for problem in discover(tmp_path).problems] == [stray]


def test_uncombined_coils_are_told(tmp_path):
    make_bids(tmp_path)
    make_bids(tmp_path, more={"rec": "uncombined", "coil": "01"}, echoes=(0.005,))
    found = discover(tmp_path)
    assert len(found.heads) == 1 and not found.heads[0].series[0].has_coils
    assert [(problem.field, problem.stops) for problem in found.problems] == [("coil", False)]


def test_uncombined_coils_alone_are_a_series(tmp_path):
    for coil in ("01", "02", "10"):
        make_bids(tmp_path, more={"rec": "uncombined", "coil": coil}, echoes=(0.005, 0.009))
    (head,) = discover(tmp_path).heads
    (series,) = head.series
    assert series.name == "sub-01" and series.echo_times == (0.005, 0.009) and series.field_strength == 3.0
    for part, files in (("mag", series.coil_magnitude), ("phase", series.coil_phase)):
        stems = [f"sub-01_rec-uncombined_echo-{e}_part-{part}_coil-{c}" for e in (1, 2) for c in ("01", "02", "10")]
        assert [path.name for path in files] == [f"{stem}_MEGRE.nii.gz" for stem in stems]
    assert check_head(head, Config()) == []


def test_one_echo_of_coils_has_no_phase_offsets(tmp_path):
    for coil in ("01", "02"):
        make_bids(tmp_path, more={"coil": coil}, echoes=(0.005,))
    (head,) = discover(tmp_path).heads
    (problem,) = check_head(head, Config(coil_combine=CoilCombine(method="offsets")))
    assert problem.stops and "need two" in problem.message


@pytest.mark.parametrize(("part", "field"), [("phase", "part-phase"), ("mag", "part-mag")])
def test_a_coil_that_lacks_something_is_named(tmp_path, part, field):
    for coil in ("01", "02"):
        make_bids(tmp_path, more={"coil": coil}, echoes=(0.005, 0.009))
    image(tmp_path, f"echo-2_part-{part}_coil-02_MEGRE").unlink()
    only_problem(discover(tmp_path), field=field)
    other = "mag" if part == "phase" else "phase"
    image(tmp_path, f"echo-2_part-{other}_coil-02_MEGRE").unlink()
    only_problem(discover(tmp_path), field="echo")


def test_a_subject_without_series(tmp_path):
    make_bids(tmp_path)
    (tmp_path / "sub-02").mkdir()
    found = discover(tmp_path)
    assert len(found.heads) == 1
    assert [(problem.subject, problem.field) for problem in found.problems] == [("02", "anat")]


def test_no_series_at_all(tmp_path):
    (tmp_path / "sub-01" / "anat").mkdir(parents=True)
    with pytest.raises(RefusalError, match=r"anat: no gradient-echo series .*MEGRE"):
        discover(tmp_path)


def test_subjects_and_sessions_that_do_not_exist(tmp_path):
    make_bids(tmp_path, sessions=("a",))
    with pytest.raises(RefusalError, match=r"--participant-label: no folder sub-7; the subjects are: 01"):
        discover(tmp_path, participants=["7"])
    with pytest.raises(RefusalError, match=r"--session-label: no session 'b'; the sessions are: a"):
        discover(tmp_path, sessions=["b"])


def test_two_hundred_subjects(tmp_path):
    """Names and sidecars alone; leaves nothing behind in the dataset."""
    for number in range(200):
        anat = tmp_path / f"sub-{number:03d}" / "anat"
        anat.mkdir(parents=True)
        for orientation in (1, 2):
            for part in ("mag", "phase"):
                stem = anat / f"sub-{number:03d}_acq-ori{orientation}_echo-1_part-{part}_MEGRE"
                stem.with_suffix(".nii").touch()
                stem.with_suffix(".json").write_text('{"EchoTime": 0.01, "MagneticFieldStrength": 3}')
    before = sorted(tmp_path.rglob("*"))
    found = discover(tmp_path)
    assert len(found.heads) == 200
    assert found.problems == ()
    assert sorted(tmp_path.rglob("*")) == before
