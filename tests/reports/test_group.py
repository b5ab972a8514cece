"""The page and the tables of a cohort."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from qsmflow.cli.main import main
from qsmflow.errors import InputError
from qsmflow.reports import quality, regions
from qsmflow.reports.group import write_group_report
from qsmflow.reports.record import RunRecord, write_record
from qsmflow.reports.tables import FIGURES_TABLE, REGIONS_TABLE, read_table, write_table
from tests.reports.cohort import cohort
from tests.reports.page import Page


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("derivatives")
    cohort(out, 30)
    write_record(
        out,
        RunRecord(
            command="qsmflow run data out participant",
            started="2026-01-01T10:00:00+00:00",
            finished="2026-01-01T10:05:00+00:00",
            found=("sub-0001: 1 series",),
            skipped=(("sub-0031", "no phase <of any kind>"),),
            errors=(("qsmflow.sub_0001.series_single.unwrap", "MemoryError"),),
        ),
    )
    write_group_report(out)
    return out


def grids(page: Path) -> dict[str, dict[str, list[list[object]]]]:
    text = page.read_text(encoding="utf-8")
    pattern = r'<div class="grid" id="(\w+)">\s*<script type="application/json">(.*?)</script>'
    return {name: json.loads(content) for name, content in re.findall(pattern, text, re.DOTALL)}


def test_tables_are_tidy_and_described(root: Path) -> None:
    for name, count in (("quality", 30 * 3), ("rois", 30 * 2)):
        rows = read_table(root / f"group_{name}.tsv", ("subject", "series", "map", "z"))
        assert len(rows) == count
        assert set(json.loads((root / f"group_{name}.json").read_text())) == set(rows[0])


def test_what_stands_out_is_marked_and_linked(root: Path) -> None:
    tables = grids(root / "group.html")
    quality = tables["quality_table"]
    assert [row[:3] for row in quality["rows"][:3]] == [
        ["sub-0003", "acq-ori2", 1],
        ["sub-0007", "acq-ori2", 1],
        ["sub-0001", "acq-ori2", 0],
    ]
    noise = quality["head"].index("Noise of the total field (ppb)")
    assert quality["marked"][1] == [1, [noise]]
    assert [row[:4] for row in tables["region_outliers"]["rows"]] == [["sub-0011", "acq-ori2", "L2", "putamen"]]
    page = Page((root / "group.html").read_text(encoding="utf-8"))
    assert page.problems == []
    assert "sub-0007.html" in page.links and "sub-0011.html" in page.links
    assert "sub-0008.html" not in page.links


def test_registration_and_cosmos_stand_before_other_failures(root: Path) -> None:
    failures = grids(root / "group.html")["failures"]["rows"]
    assert [(row[0], row[1]) for row in failures] == [
        ("sub-0003", "registration"),
        ("sub-0001", "failed"),
        ("sub-0031", "left out"),
        ("sub-0031", "no report"),
    ]
    assert "correlation 0.500" in str(failures[0][2])
    assert "<of any kind>" not in (root / "group.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_a_thousand_subjects_stay_a_small_page(tmp_path: Path) -> None:
    cohort(tmp_path, 1000)
    page = write_group_report(tmp_path)
    assert page.stat().st_size < 1_000_000
    text = page.read_text(encoding="utf-8")
    assert len(re.findall("<[a-z]", text)) < 2000
    assert len(grids(page)["quality_table"]["rows"]) == 1000


def small(root: Path, count: int) -> str:
    """The page of subjects with a single series each, the second of which has COSMOS as well, and a tiny region."""
    for number in range(1, count + 1):
        name = f"sub-{number:02d}"
        figures = [quality.Figure(name, "snr", "", 50.0 + number)]
        if number == 2:
            figures = [quality.Figure(f"{name}_acq-a", "snr", "", 52.0), quality.Figure(name, "condition", "", 0.1)]
        told = [
            regions.Region(name, "l2", 1, "putamen", 900, 7.2, 0.01 * number, 0.02),
            regions.Region(name, "l2", 2, "nigra", 5 + number, 0.1, 0.1, 0.02),
        ]
        folder = root / name
        write_table(folder / FIGURES_TABLE.format(name[4:]), quality.COLUMNS, (one.row for one in figures))
        write_table(folder / REGIONS_TABLE.format(name[4:]), regions.COLUMNS, (one.row for one in told))
    return write_group_report(root).read_text(encoding="utf-8")


def test_few_subjects_are_points_with_their_number_and_moments(tmp_path: Path) -> None:
    text = small(tmp_path, 4)
    page = Page(text)
    assert "<rect" not in text and text.count('<circle class="usual"') == 4 + 1 + 4 + 4
    assert "putamen, n = 4" in page.text
    assert page.problems == [] and {"group_quality.tsv", "group_rois.json"} <= set(page.links)
    lines = [re.sub("<[^>]*>", " ", line).split() for line in text.splitlines()]
    assert ["putamen", "L2", "4", "0.02500", "0.0129"] in lines
    assert ["SNR", "of", "the", "magnitude", "4", "52.50", "1.29"] in lines


def test_small_regions_are_marked_and_a_page_without_pictures_names_no_side(tmp_path: Path) -> None:
    page = Page(small(tmp_path, 4))
    assert "nigra (small: from 6 voxels)" in page.text and "putamen (" not in page.text
    assert "patient's left" not in page.text


def test_only_a_head_with_a_condition_is_all_orientations(tmp_path: Path) -> None:
    small(tmp_path, 3)
    names = {tuple(row[:2]) for row in grids(tmp_path / "group.html")["quality_table"]["rows"]}
    assert ("sub-01", "single series") in names and ("sub-02", "all orientations") in names
    assert ("sub-02", "acq-a") in names


def test_chosen_subjects_alone(tmp_path: Path) -> None:
    cohort(tmp_path, 12)
    words = ["run", str(tmp_path), str(tmp_path), "group", "--participant-label", "0002", "0003"]
    assert main([*words, "--dry-run"]) == 2
    assert main(words) == 0
    assert {row["subject"] for row in read_table(tmp_path / "group_quality.tsv", ())} == {"sub-0002", "sub-0003"}


def test_cosmos_counts_once_a_head(tmp_path: Path) -> None:
    small(tmp_path, 2)
    frames = ("sub-01_space-ori1", "sub-01_acq-ori1", "sub-01_acq-ori2")
    told = [
        regions.Region(name, kind, 1, "putamen", 900, 7.2, 0.1, 0.02) for name in frames for kind in ("cosmos", "l2")
    ]
    write_table(tmp_path / "sub-01" / REGIONS_TABLE.format("01"), regions.COLUMNS, (one.row for one in told))
    write_group_report(tmp_path)
    rows = read_table(tmp_path / "group_rois.tsv", ())
    assert [row["series"] for row in rows if row["map"] == "cosmos"] == ["sub-01_space-ori1"]
    assert sum(row["subject"] == "sub-01" and row["map"] == "l2" for row in rows) == 3


def test_a_dataset_without_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run the participant level first"):
        write_group_report(tmp_path)


def test_boxes_hold_the_quartiles(root: Path) -> None:
    text = (root / "group.html").read_text(encoding="utf-8")
    values = [float(row["value"]) for row in read_table(root / "group_quality.tsv", ()) if row["measure"] == "snr"]
    assert f"30 values, median {np.median(values):.4g}, 0 outliers" in text
