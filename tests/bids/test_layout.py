"""The dataset as a whole, and where the output goes."""

import os

import pytest

from qsmflow.bids.checks import check_layout
from qsmflow.bids.problems import RefusalError
from qsmflow.errors import InputError
from tests.builders import make_bids


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
