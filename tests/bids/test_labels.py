"""Names of regions, and label maps that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qsmflow.bids.checks import check_head
from qsmflow.bids.discovery import discover
from qsmflow.bids.labels import label_names
from qsmflow.bids.problems import RefusalError
from qsmflow.config import Config
from tests.builders import SHAPE, add_derivative, make_bids


def image(root: Path) -> Path:
    path = root / "sub-01" / "anat" / "sub-01_acq-ori1_desc-atlas_dseg.nii.gz"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def table(path: Path, name: str) -> None:
    path.write_text(f"index\tname\n1\t{name}\n")


def test_the_nearest_table_that_applies_names_the_regions(tmp_path: Path) -> None:
    labels = image(tmp_path)
    assert label_names(labels) == {}
    table(tmp_path / "desc-other_dseg.tsv", "another map's")
    assert label_names(labels) == {}
    table(tmp_path / "dseg.tsv", "general")
    assert label_names(labels) == {1: "general"}
    table(tmp_path / "desc-atlas_dseg.tsv", "the dataset's")
    assert label_names(labels) == {1: "the dataset's"}
    table(labels.with_name("sub-01_acq-ori1_desc-atlas_dseg.tsv"), "its own")
    assert label_names(labels) == {1: "its own"}


@pytest.mark.parametrize("text", ["name\nputamen\n", "index\tname\none\tputamen\n", "index\n1\n"])
def test_a_table_without_its_columns_is_refused(tmp_path: Path, text: str) -> None:
    labels = image(tmp_path)
    (tmp_path / "dseg.tsv").write_text(text)
    with pytest.raises(RefusalError, match=r"dseg\.tsv: index, name"):
        label_names(labels)


def test_labels_of_any_name_are_found(tmp_path: Path) -> None:
    root = make_bids(tmp_path / "raw")
    labels = add_derivative(tmp_path / "given", {"sub": "01"}, "rois")
    labels = labels.rename(labels.with_name("sub-01_desc-hand_dseg.nii.gz"))
    assert discover(root, derivatives={"labels": tmp_path / "given"}).heads[0].series[0].supplied == {"labels": labels}


@pytest.mark.parametrize(
    ("value", "told"), [(0, "no region"), (0.5, "whole numbers"), (1.5, "whole numbers"), (-1, "whole numbers")]
)
def test_maps_that_are_no_labels_are_refused(tmp_path: Path, value: float, told: str) -> None:
    root = make_bids(tmp_path / "raw")
    add_derivative(tmp_path / "given", {"sub": "01"}, "rois", np.full(SHAPE, value, np.float32))
    (head,) = discover(root, derivatives={"labels": tmp_path / "given"}).heads
    (problem,) = check_head(head, Config())
    assert problem.stops and problem.field == "labels" and told in str(problem)
