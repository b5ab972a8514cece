"""What can be used of a dataset."""

import json

import bids.layout
import pytest

from qsmflow.bids.discovery import discover
from qsmflow.bids.filters import read_filters
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.sidecars import Sidecars
from tests.builders import make_bids


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
