from __future__ import annotations

import dataclasses
import io
import itertools
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from qsmflow.bids.naming import derivative_path, sidecar_path
from qsmflow.errors import InputError
from qsmflow.reports import chi, maps
from qsmflow.reports import orientations as orientations_room
from qsmflow.reports.facts import UNFINISHED
from qsmflow.reports.quality import COLUMNS
from qsmflow.reports.record import NodeRecord
from qsmflow.reports.regions import COLUMNS as REGIONS
from qsmflow.reports.subject import write_subject_report
from qsmflow.reports.tables import COHORT_TABLE, read_table, write_table
from tests.reports.page import Page
from tests.reports.tree import head, one_series, orientations, save


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("derivatives")
    orientations(root, 2)
    return write_subject_report(root, "sub-01")


@pytest.fixture(scope="module")
def page(whole: Path) -> Page:
    return Page(whole.read_text(encoding="utf-8"))


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, for tests that look at the words alone."""
    out = io.BytesIO()
    Image.new("P", (600, 200)).save(out, format="png")
    rooms = ((maps, ("mosaic",)), (chi, ("mosaic", "side_by_side")), (orientations_room, ("mosaic", "edge_overlay")))
    for module, names in rooms:
        for name in names:
            monkeypatch.setattr(module, name, lambda *args, **kwargs: out.getvalue())


def test_page_is_one_offline_file_that_closes_its_tags(page: Page) -> None:
    assert page.problems == []
    assert all(source.startswith("data:") for source in page.sources)
    outside = [link for link in page.links if not link.startswith("#")]
    assert outside and all(link.startswith("https://doi.org/10.") for link in outside)


@pytest.mark.usefixtures("blank")
def test_the_fluid_is_outlined_with_the_other_masks(tmp_path: Path) -> None:
    one_series(tmp_path, ("magnitude", "brain"))
    assert "csf mask" not in write_subject_report(tmp_path, "sub-01").read_text(encoding="utf-8")
    save(tmp_path, {"sub": "01"}, "csf", head()["localmask"])
    assert "csf mask" in write_subject_report(tmp_path, "sub-01").read_text(encoding="utf-8")


def test_ids_are_unique_and_links_resolve(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    inner = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert {"summary", "acquisition", "sub-01_registration", "sub-01_cosmos", "numbers", "rerun", "ref-romeo"} <= inner
    assert inner <= set(page.ids)


def test_headings_descend_without_a_gap(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_every_picture_says_what_it_shows_in_numbers(page: Page) -> None:
    assert len(page.images) > 15
    for image in page.images:
        assert len(str(image["alt"])) > 30
        assert int(str(image["width"])) > 500 and int(str(image["height"])) > 100
    described = " ".join(str(image["alt"]) for image in page.images)
    assert "Local field of sub-01_acq-ori2" in described and "mean" in described and "ppm" in described


def test_figures_lie_beside_the_page(whole: Path) -> None:
    figures = sorted(path.name for path in (whole.parent / "sub-01" / "figures").iterdir())
    assert {"sub-01_acq-ori1_mask.png", "sub-01_acq-ori2_registration_edges.png", "sub-01_space-ori1_chi.png"} <= set(
        figures
    )
    assert not [name for name in figures if name.startswith(".")]


def test_summary_tells_this_subject_and_no_other(page: Page) -> None:
    assert "sub-01_acq-ori9: no phase" in page.text
    assert "no EchoTime" not in page.text and "crash-sub_02" not in page.text
    assert "40 nodes executed, 2 taken from an earlier run" in page.text
    assert "torch" in page.text and "2.13.0" in page.text


def test_numbers_of_the_run_are_in_the_page(whole: Path, page: Page) -> None:
    volumes = head()
    brain, local = (np.count_nonzero(volumes[kind]) * 0.036 for kind in ("brain", "localmask"))
    assert f"kept {local:.1f} of {brain:.1f} ml: {100 * (1 - local / brain):.1f} %" in page.text
    # two orientations 20 degrees apart
    assert "20.0" in page.text and "+1.0, −2.0, +0.5" in page.text
    assert "qsmflow run data out participant" in page.text
    assert 'inversion = ["tkd", "l2"]' in page.text
    assert "5, 20" in page.text  # echo times in ms


def test_maps_are_shown_in_ranges_and_less_each_other(page: Page) -> None:
    assert {"sub-01_acq-ori1_chi", "sub-01_acq-ori1_chi_0p05", "sub-01_acq-ori1_chi_0p2"} <= set(page.ids)
    described = " ".join(str(image["alt"]) for image in page.images)
    assert "COSMOS − TKD" in described and "−0.05 to 0.05 ppm" in described
    # the tree's COSMOS is chi + noise, its TKD 0.8 chi + 4 noise
    assert "COSMOS − L2: RMS (ppm)" in page.text


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize(("maps", "told"), [(("tkd", "l2", "qsmnet"), "QSMnet"), (("tkd", "l2", "cosmos"), "COSMOS")])
def test_each_method_is_held_against_the_last(tmp_path: Path, maps: tuple[str, ...], told: str) -> None:
    for kind in maps:
        save(tmp_path, {"sub": "01"}, kind, head()["cosmos" if kind == "qsmnet" else kind])
    text = Page(write_subject_report(tmp_path, "sub-01").read_text(encoding="utf-8")).text
    assert f"{told} − TKD: RMS (ppm)" in text and f"{told} − L2: RMS (ppm)" in text and "TKD −" not in text


def test_one_viewer_a_head_holds_the_maps_of_the_reference(page: Page) -> None:
    assert [name for name in page.ids if name.endswith("_viewer")] == ["sub-01_acq-ori1_viewer"]


def test_tables_lie_beside_the_figures(whole: Path) -> None:
    rows = read_table(whole.parent / "sub-01" / "sub-01_desc-quality_stats.tsv", COLUMNS)
    found = {(row["series"], row["measure"], row["map"]): float(row["value"]) for row in rows}
    assert found["sub-01", "condition", "n/a"] == pytest.approx(0.0, abs=0.05)  # two orientations see a direction badly
    assert found["sub-01_acq-ori2", "registration", "n/a"] > 0.9
    assert {kind for name, _, kind in found if name == "sub-01_acq-ori1"} == {"n/a", "tkd", "l2"}


@pytest.mark.usefixtures("blank")
def test_labels_tell_the_regions(tmp_path: Path) -> None:
    volumes = head()
    one_series(tmp_path, ("brain", "localmask", "local", "tkd"))
    labels = np.where(volumes["tkd"] > 0.05, 2, 7).astype(np.int16)
    labels[20, 24, 16:19] = 9
    save(tmp_path, {"sub": "01"}, "rois", labels, Labels={"2": "nuclei", "9": "vein"})
    page = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8"))
    assert (tmp_path / "sub-01" / "figures" / "sub-01_rois.png").exists()
    rows = read_table(tmp_path / "sub-01" / "sub-01_desc-rois_stats.tsv", REGIONS)
    assert [row["region"] for row in rows] == ["nuclei", "7", "vein"]
    assert "vein (small: 3 voxels)" in page.text and "nuclei (small" not in page.text
    html = (tmp_path / "sub-01.html").read_text(encoding="utf-8")
    for name, index in (("nuclei", 2), ("7", 7), ("vein (small: 3 voxels)", 9)):
        assert f'<th scope="row">{name}</th><td class="short">{index}</td>' in html
    assert "the labels are the indices of the Regions table" in page.text
    inside = volumes["tkd"][volumes["tkd"] > 0.05]
    assert float(rows[0]["mean"]) == pytest.approx(inside.mean(), rel=1e-4)
    assert float(rows[0]["volume"]) == pytest.approx(inside.size * 0.036, rel=1e-4)
    assert f"{inside.mean():+.4f} ± {inside.std(ddof=1):.4f}" in page.text


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize("stage", ["place_cores", "warp_labels"])
def test_approximate_regions_and_wide_spreads_are_told(tmp_path: Path, stage: str) -> None:
    chi = head()["tkd"]
    labels = np.where(chi > 0.05, 2, 0).astype(np.int16)
    chi[:20, ::2] *= -1
    labels[:20] = chi[:20] != 0
    save(tmp_path, {"sub": "01"}, "tkd", chi)
    save(tmp_path, {"sub": "01"}, "rois", labels, Stage=stage, Labels={"1": "of both signs", "2": "nucleus"})
    text = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8")).text
    assert ("approximate" in text) is (stage == "place_cores")
    assert "; * the spread exceeds the mean" in text
    assert text.count(" *") == 2  # in the caption and of one region


@pytest.mark.usefixtures("blank")
def test_figures_are_held_against_the_cohort(tmp_path: Path) -> None:
    one_series(tmp_path, ("brain", "localmask", "local"))
    others = ([f"sub-{i:02d}", f"sub-{i:02d}", "brain", None, 5000.0 + i, "ml", 0.0] for i in range(2, 20))
    write_table(tmp_path / COHORT_TABLE, {name: {} for name in ("subject", *COLUMNS, "z")}, others)
    text = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8")).text
    assert "1 of these figures stands out" in text and ", outlier: −" in text


@pytest.mark.usefixtures("blank")
def test_nodes_tell_their_time(tmp_path: Path) -> None:
    record = orientations(tmp_path, 2)
    nodes = (NodeRecord("qsmflow.sub_01.unwrap", 90.0, 2.5, 1.25), NodeRecord("qsmflow.sub_02.unwrap", 5.0, 1.0))
    page = write_subject_report(tmp_path, "01", dataclasses.replace(record, nodes=nodes))
    text = Page(page.read_text(encoding="utf-8")).text
    assert "sub_01.unwrap" in text and "sub_02.unwrap" not in text
    assert "1.5" in text and "1.25" in text
    unmeasured = (NodeRecord("qsmflow.sub_01.unwrap", 90.0, 2.5),)
    page = write_subject_report(tmp_path, "01", dataclasses.replace(record, nodes=unmeasured))
    assert "Memory used" not in page.read_text(encoding="utf-8")


@pytest.mark.usefixtures("blank")
def test_what_stages_report_twice_stands_once(tmp_path: Path) -> None:
    one_series(tmp_path, ("local", "l2"))
    for kind in ("local", "l2"):
        path = sidecar_path(derivative_path(tmp_path, {"sub": "01"}, kind))
        told = {"Iterations": 15, "Weights": [{"SHA256": "abc"}, {"SHA256": "def"}]}
        path.write_text(json.dumps({"Measured": told, "Warnings": ["of the field"]}))
    page = write_subject_report(tmp_path, "01").read_text(encoding="utf-8")
    assert page.count("Iterations") == 1 and page.count("Weights, SHA256") == 2 and "{&#39;" not in page
    assert "of the field (sub-01 L2, sub-01 Local field)" in Page(page).text


def test_methods_name_what_was_cited(page: Page) -> None:
    assert "Dymerska et al., 2021" in page.text
    assert "https://doi.org/10.1002/mrm.28563" in page.links
    assert "[@romeo]" in page.text and r"\citep{cosmos,nipype}" in page.text  # the Markdown and LaTeX to copy


def test_one_series_without_orientations(tmp_path: Path) -> None:
    one_series(tmp_path, ("magnitude", "brain", "localmask", "total", "local", "tkd"))
    page = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8"))
    assert page.problems == []
    assert not [h for _, h in page.headings if h in ("Registration", "COSMOS")]
    assert "No run record was found" in page.text and "No methods text was written" in page.text
    assert len(page.images) == 7  # masks, total, local, one map in three ranges and in three planes


@pytest.mark.usefixtures("blank")
def test_supplied_local_field_alone(tmp_path: Path) -> None:
    one_series(tmp_path, ("local", "l2"))
    page = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8"))
    assert "Not in the derivatives of this series: magnitude, brain mask, total field, local-field mask." in page.text
    assert len(page.images) == 5


@pytest.mark.usefixtures("blank")
def test_sessions_and_unknown_map_names(tmp_path: Path) -> None:
    for ses in ("a", "b"):
        orientations(tmp_path, 2, ses=ses)
    save(tmp_path, {"sub": "01", "ses": "a", "acq": "ori1"}, "tkd", head()["tkd"], desc="mynet")
    page = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8"))
    assert len(page.ids) == len(set(page.ids))
    assert {"sub-01_ses-a_registration", "sub-01_ses-b_registration"} <= set(page.ids)
    assert "sub-01_ses-a_acq-ori1_mynet" in page.ids


@pytest.mark.usefixtures("blank")
def test_measured_values_are_found_below_measured(tmp_path: Path) -> None:
    orientations(tmp_path, 2)
    entities = {"from": "ori2", "to": "ori1", "mode": "image"}
    path = sidecar_path(derivative_path(tmp_path, {"sub": "01", "acq": "ori2"}, "xfm", **entities))
    told = json.loads(path.read_text())
    path.write_text(json.dumps({"Method": told["Method"], "Measured": told}))
    text = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8")).text
    assert "+0.342, +0.000, +0.940" in text


@pytest.mark.usefixtures("blank")
def test_broken_files_are_told_not_fatal(tmp_path: Path) -> None:
    one_series(tmp_path, ("local", "tkd", "l2"))
    derivative_path(tmp_path, {"sub": "01"}, "tkd").write_bytes(b"\x1f\x8b broken")
    other = np.zeros((5, 5, 5), np.float32)
    nib.save(nib.Nifti1Image(other, np.eye(4)), derivative_path(tmp_path, {"sub": "01"}, "l2"))
    text = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8")).text
    assert "sub-01_desc-tkd_Chimap.nii.gz cannot be read" in text
    assert "sub-01_desc-l2_Chimap.nii.gz lies on another grid" in text


def test_nothing_to_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no derivative of sub-07"):
        write_subject_report(tmp_path, "07")


@pytest.mark.usefixtures("blank")
def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    save(tmp_path, {"sub": "01"}, "local", head()["local"], Method="<script>alert(1)</script>")
    html = write_subject_report(tmp_path, "01").read_text(encoding="utf-8")
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html


@pytest.mark.usefixtures("blank")
def test_the_summary_tells_warnings_limits_and_what_was_supplied(tmp_path: Path) -> None:
    orientations(tmp_path, 1)
    own, volumes = {"sub": "01", "acq": "ori1"}, head()
    save(tmp_path, own, "local", volumes["local"], Method="supplied by the user")
    save(tmp_path, own, "brain", volumes["brain"], Method="supplied by the user", Description="Brain, as supplied.")
    limits = {"siqsm": "Trained on spheres."}
    save(tmp_path, own, "siqsm", volumes["l2"], Method="SI-QSM", Limits=limits, Warnings=["the field is in turns"])
    text = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8")).text
    summary = " ".join(text[text.index("Found") : text.index("Acquisition of")].split())
    assert "Unwrapping, field fit and background removal: the local field was supplied (sub-01_acq-ori1)" in summary
    assert "Brain extraction: the mask was supplied (sub-01_acq-ori1)" in summary
    assert "Warnings (1) the field is in turns (sub-01_acq-ori1 SI-QSM)" in summary
    assert "Limits of the networks SI-QSM, weights siqsm: Trained on spheres." in summary
    assert "Brain, as supplied." in summary and "after phase-quality masking" not in text


@pytest.mark.usefixtures("blank")
def test_nothing_is_said_to_be_well_of_a_run_that_did_not_end_or_left_no_record(tmp_path: Path) -> None:
    record = orientations(tmp_path, 1)
    told = {}
    for name, run in {"ended": record, "killed": dataclasses.replace(record, finished="")}.items():
        told[name] = Page(write_subject_report(tmp_path, "01", run).read_text(encoding="utf-8")).text
    shutil.rmtree(tmp_path / "logs")
    told["unknown"] = Page(write_subject_report(tmp_path, "01").read_text(encoding="utf-8")).text
    errors = {name: text.split("Errors and warnings")[-1].split("Methods")[0] for name, text in told.items()}
    assert "None were recorded." in errors["ended"]
    assert UNFINISHED in errors["killed"] and "None were" not in errors["killed"]
    assert "not known: no run record" in errors["unknown"] and "None were" not in errors["unknown"]
    assert {name: "Warnings not known: no run record" in " ".join(text.split()) for name, text in told.items()} == {
        "ended": False,
        "killed": False,
        "unknown": True,
    }
