"""What discovery refuses, with file, field and mend."""

import shutil

import numpy as np
import pytest

from qsmflow.bids.checks import check_head
from qsmflow.bids.discovery import discover
from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.problems import RefusalError
from qsmflow.config import CoilCombine, Config
from tests.builders import edit_sidecar, make_bids, save_image
from tests.refusals import image, only_problem


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


@pytest.mark.parametrize("more", [{}, {"rec": "uncombined", "coil": "01"}])
def test_phase_in_units_that_bids_has_not(tmp_path, more):
    make_bids(tmp_path, more=more)
    (phase,) = tmp_path.rglob("*echo-2*part-phase*.nii.gz")
    file = edit_sidecar(phase, Units="degrees")
    problem = only_problem(discover(tmp_path), file=file, field="Units")
    assert "'degrees'" in problem.message and '"rad"' in problem.mend


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
