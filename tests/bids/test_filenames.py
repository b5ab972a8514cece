"""Names: taken apart, put in order, and as pybids reads them."""

import string

import bids.layout
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmflow.bids.filenames import in_order, known_entity, natural_key, parse_name
from qsmflow.bids.naming import ENTITY_ORDER, join_entities

LABELS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6)
ENTITIES = st.dictionaries(st.sampled_from(ENTITY_ORDER), LABELS, min_size=1, max_size=6)


@given(ENTITIES, st.sampled_from(["MEGRE", "mask", "T2starw"]), st.sampled_from([".nii.gz", ".nii", ".json"]))
def test_what_is_joined_is_taken_apart_again(entities, suffix, extension):
    name = parse_name(f"{join_entities(entities)}_{suffix}{extension}")
    assert name is not None
    assert (name.entities, name.suffix, name.extension) == (entities, suffix, extension)


@given(ENTITIES)
def test_order_is_that_of_bids(entities):
    ordered = list(in_order(entities))
    assert sorted(ordered) == sorted(entities)
    assert ordered == [key for key in ENTITY_ORDER if key in entities]


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text):
    parse_name(text)


def test_names_that_are_none():
    for name in (
        "sub-01_MEGRE",
        "sub-01_acq-a_acq-b_MEGRE.nii.gz",
        "notes.txt.",
        "sub_MEGRE.nii",
        ".nii.gz",
        "a b.json",
    ):
        assert parse_name(name) is None, name


def test_suffix_alone_is_a_name():
    assert parse_name("MEGRE.json").entities == {}


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8))
def test_numbers_sort_by_value(numbers):
    assert sorted((f"ori{n}" for n in numbers), key=natural_key) == [f"ori{n}" for n in sorted(numbers)]


@given(st.lists(LABELS, max_size=8))
def test_any_labels_can_be_sorted(labels):
    sorted(labels, key=natural_key)


@settings(max_examples=30)
@given(LABELS, LABELS, st.integers(1, 20), st.sampled_from(["mag", "phase"]))
def test_pybids_reads_the_same(subject, orientation, echo, part):
    path = f"/sub-{subject}/anat/sub-{subject}_acq-{orientation}_echo-{echo}_part-{part}_MEGRE.nii.gz"
    theirs = bids.layout.parse_file_entities(path)
    ours = parse_name(path.rpartition("/")[2])
    pairs = {"subject": "sub", "acquisition": "acq", "part": "part"}
    assert {ours.entities[short] for short in pairs.values()} == {theirs[name] for name in pairs}
    assert int(ours.entities["echo"]) == int(theirs["echo"])
    assert (ours.suffix, ours.extension) == (theirs["suffix"], theirs["extension"])


def test_known_entities():
    assert known_entity("acq")
    assert not known_entity("orientation")
