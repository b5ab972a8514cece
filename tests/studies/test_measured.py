"""Orientations of a run of one's own are read as they are, and simulated ones are in one grid."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmflow.errors import InputError, UsageError
from qsmflow.interfaces.transforms import write_itk
from qsmflow.phantom.head import ProceduralHead
from qsmflow.reports.blocks import Note, Picture, Table
from qsmflow.studies import cascade, catalogue, noise, orientation
from qsmflow.studies.conduct import conduct
from qsmflow.studies.execute import compute
from qsmflow.studies.frames import moves
from qsmflow.studies.measured import heads, listed, read, simulated
from qsmflow.studies.problems import brain_problem
from qsmflow.studies.study import Done, Request
from qsmflow.studies.tables import number
from qsmflow.training.cosmos import Labelled
from tests.studies.test_studies import results
from tests.training.test_streams import B0, cosmos_output


def point_b0(one: Labelled, b0_dir: Sequence[float]) -> None:
    """Let the sidecar of an orientation say that B0 has another direction."""
    one.sidecar.write_text(json.dumps({"Measured": {"B0Direction": list(b0_dir)}}))


def test_heads_of_a_run_and_their_orientations(tmp_path: Path) -> None:
    found = heads(cosmos_output(tmp_path))
    assert {head: list(every) for head, every in found.items()} == {
        f"sub-{head}": [f"sub-{head}_acq-ori{number}" for number in (1, 2)] for head in (0, 1)
    }
    one = found["sub-1"]["sub-1_acq-ori2"]
    seen = read(one)
    assert seen.problem.b0_dir == pytest.approx(B0)
    assert seen.problem.voxel_size == pytest.approx((1.0, 1.0, 1.0))
    field = torch.from_numpy(nib.load(one.field).get_fdata(dtype=np.float32))
    torch.testing.assert_close(seen.problem.field, torch.where(seen.problem.mask, field, 0.0))
    assert torch.equal(seen.problem.mask, seen.cosmos != 0)


def test_the_study_of_measured_heads(tmp_path: Path) -> None:
    cases = orientation.STUDY.cases(Request(data=cosmos_output(tmp_path)))
    # without magnitudes there is no MEDI
    assert {case.varied["method"] for case in cases} == {"tkd", "qsmnet", "l2", "qsmnet_plus"}
    assert all(len(case.files) == 8 for case in cases)
    case = next(case for case in cases if case.varied["method"] == "tkd")
    outcome = orientation.STUDY.compute(orientation.STUDY.prepare(case.problem, case.files), case.varied)
    assert [score.metric for score in outcome.scores] == ["psnr", "nrmse", "hfen", "ssim"]


def test_another_direction_of_b0_makes_other_numbers(tmp_path: Path) -> None:
    """What is kept is of the files that were read, and the direction stands in a sidecar."""
    folder = cosmos_output(tmp_path / "out", heads=1)

    def error() -> float:
        case = next(case for case in orientation.STUDY.cases(Request(data=folder)) if case.varied["method"] == "l2")
        (done,) = compute("orientation", [case], tmp_path / "cache")
        return next(float(row["value"]) for row in done.rows if row["metric"] == "nrmse")

    first = error()
    assert error() == first
    one = next(iter(heads(folder)["sub-0"].values()))
    point_b0(one, (1.0, 0.0, 0.0))
    assert error() != first


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_b0_may_have_any_direction(tmp_path: Path, axis: int, sign: float) -> None:
    b0_dir = [0.0, 0.0, 0.0]
    b0_dir[axis] = sign
    one = next(iter(heads(cosmos_output(tmp_path, heads=1))["sub-0"].values()))
    point_b0(one, b0_dir)
    problem = read(heads(tmp_path)["sub-0"][one.chi.name.partition("_desc-")[0]]).problem
    assert problem.b0_dir == pytest.approx(b0_dir)
    assert problem.voxel_size == pytest.approx((1.0, 1.0, 1.0))
    assert np.linalg.det(problem.affine) == pytest.approx(1.0)


def test_noise_is_added_to_a_measured_field(tmp_path: Path) -> None:
    folder = cosmos_output(tmp_path)
    cases = noise.STUDY.cases(Request(data=folder, quick=True))
    assert len({repr(case.problem) for case in cases}) == 2
    made = noise.STUDY.prepare(cases[0].problem, cases[0].files)
    seen = read(heads(folder)["sub-0"]["sub-0_acq-ori1"])
    assert torch.equal(made.clean, seen.problem.field)
    assert torch.equal(made.chi, seen.cosmos)
    more = (made.with_noise(0.004).field - made.clean)[made.mask]
    assert float(more.std()) == pytest.approx(0.004, rel=0.2)


def test_two_heads_of_which_one_has_no_magnitude(tmp_path: Path) -> None:
    folder = cosmos_output(tmp_path / "out")
    for one in heads(folder)["sub-1"].values():
        shutil.copy(one.mask, one.field.with_name(one.field.name.replace("desc-local_fieldmap", "magnitude")))
    done = results("orientation", tmp_path, data=folder, by=("tkd", "medi", "l2"))
    assert [one.case.row["head"] for one in done if one.case.row["method"] == "medi"] == ["sub-1"] * 2
    blocks = orientation.STUDY.show(done)
    tests = [block for block in blocks if isinstance(block, Table) and "t-tests over 4" in block.caption]
    assert len(tests) == 4
    assert {tuple(line[:2]) for test in tests for line in test.rows} == {
        ("tkd - l2", "4"),
        ("tkd - medi", "2"),
        ("l2 - medi", "2"),
    }
    texts = [block.text for block in blocks if isinstance(block, Note)]
    assert any("By NRMSE in the 2 orientations that all methods have" in text for text in texts)
    assert not any("simulated" in text for text in texts)
    assert any("no transforms tie the orientations of sub-0" in text for text in texts)


def test_a_network_beyond_its_range_in_one_orientation(tmp_path: Path) -> None:
    done = results("orientation", tmp_path, data=cosmos_output(tmp_path / "out"), by=("tkd", "l2"))
    gone = next(i for i, one in enumerate(done) if one.case.row["method"] == "l2")
    left_out = {**done[gone].rows[0], "region": "", "metric": "", "value": "", "note": "beyond its range"}
    done[gone] = Done(done[gone].case, [left_out], None)
    blocks = orientation.STUDY.show(done)
    tests = [block for block in blocks if isinstance(block, Table) and "t-tests over 4" in block.caption]
    assert [line[:2] for test in tests for line in test.rows] == [["tkd - l2", "3"]] * 4


def test_regions_are_those_of_the_run(tmp_path: Path) -> None:
    folder = cosmos_output(tmp_path / "out")
    chosen = {2: (slice(6, 10),) * 3, 1007: (slice(12, 16),) * 3, 5: (slice(0, 2),) * 3}
    means: dict[str, list[float]] = {"left putamen": [], "1007": []}
    for one in heads(folder)["sub-0"].values():
        labels, chi = np.zeros((28, 30, 26), np.int32), nib.load(one.chi).get_fdata()
        for label, where in chosen.items():
            labels[where] = label
        for name, label in zip(means, (2, 1007), strict=True):
            means[name].append(float(chi[labels == label].mean()))
        path = one.chi.with_name(one.chi.name.replace("cosmos_Chimap", "rois_dseg"))
        nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"Labels": {"2": "left putamen"}}')
    done = results("orientation", tmp_path, data=folder, by=("tkd", "l2"))
    assert [len(head.files) for head in listed(folder)] == [12, 8]
    blocks = orientation.STUDY.show(done)
    (table,) = (block for block in blocks if isinstance(block, Table) and "Regions" in block.caption)
    assert table.caption == "Regions (sub-0), ppm, mean ± SD across orientations"
    assert table.head == ["region", "tkd", "l2", "COSMOS"]
    assert any("COSMOS was turned there" in getattr(block, "text", "") for block in blocks)
    # outside the mask there is no region
    assert [(line[0], line[-1]) for line in table.rows] == [
        (name, f"{number(fmean(both))} ± {number(stdev(both))}") for name, both in means.items()
    ]


def test_maps_come_to_the_frame_of_the_reference(tmp_path: Path) -> None:
    """The second orientation is the first, moved by whole voxels, and two of its axes are stored the other way."""
    folder = cosmos_output(tmp_path / "out", heads=1)
    first, second = heads(folder)["sub-0"].values()
    still = nib.load(first.chi)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    flip[:3, 3] = (27 + 4, 29 - 6, 8)
    for one, other in ((first.chi, second.chi), (first.mask, second.mask), (first.field, second.field)):
        nib.save(nib.Nifti1Image(nib.load(one).get_fdata(dtype=np.float32)[::-1, ::-1], flip), other)
    shift = np.eye(4)
    shift[:3, 3] = (4, -6, 8)
    write_itk(shift, first.chi.with_name("sub-0_from-ori2_to-ori1_mode-image_xfm.txt"))
    found = moves({"head": "sub-0", "data": str(folder)})
    assert list(found) == ["sub-0_acq-ori1", "sub-0_acq-ori2"]
    chi = torch.from_numpy(still.get_fdata(dtype=np.float32))
    for name, one in (("sub-0_acq-ori1", first), ("sub-0_acq-ori2", second)):
        brought, affine = found[name].bring(read(one).cosmos)
        torch.testing.assert_close(brought, chi, atol=1e-5, rtol=1e-4)
        assert affine == pytest.approx(np.eye(4))
    done = results("orientation", tmp_path, data=folder, by=("tkd", "l2"))
    pictures = [block for block in orientation.STUDY.show(done) if isinstance(block, Picture)]
    assert [one.name for one in pictures][-1] == "orientation_spread"


def test_noise_on_two_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The field without noise is that of the head itself: its pSNR is infinite in both."""
    monkeypatch.setattr(cascade, "invert", lambda network, problem, field: problem.field)
    done = results("noise", tmp_path, data=cosmos_output(tmp_path / "out"), by=("none",))
    assert {one.case.row["head"] for one in done} == {"sub-0", "sub-1"}
    tables = [block for block in noise.STUDY.show(done) if isinstance(block, Table)]
    psnr = next(table for table in tables if "field: psnr" in table.caption)
    assert psnr.rows[0][1] == "inf" and "±" in psnr.rows[0][2]


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    one = next(iter(heads(cosmos_output(tmp_path, heads=1))["sub-0"].values()))
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), one.mask)
    with pytest.raises(InputError, match="its grid is not that of the local field"):
        read(one)
    with pytest.raises(UsageError, match="study scale is of simulated heads alone"):
        conduct("scale", Request(data=tmp_path), tmp_path / "out", command="")
    for name, request in (
        ("scale", Request(head=(one.mask,))),
        ("orientation", Request(data=tmp_path, head=(one.mask,))),
    ):
        with pytest.raises(UsageError, match=f"--labels: study {name} simulates no head here"):
            conduct(name, request, tmp_path / "out", command="")


def test_cases_are_in_the_voxels_that_were_asked_for() -> None:
    for name in catalogue.NAMES:
        study = catalogue.load(name)
        if study.headed:
            assert {case.problem["voxel"] for case in study.cases(Request(quick=True, voxel_size=2.8))} == {2.8}


def test_simulated_orientations_share_a_grid_and_not_their_noise() -> None:
    straight = brain_problem(ProceduralHead(3, spacing=4.0), (4.0, 4.0, 4.0)).with_noise(0.001)
    every = simulated(straight)
    assert list(every) == ["1", "2", "3", "4", "5"]
    directions = np.array([one.problem.b0_dir for one in every.values()])
    assert directions[:, 2] == pytest.approx([1.0] + [np.cos(np.radians(25.0))] * 4)
    assert len({tuple(np.round(one, 3)) for one in directions}) == 5
    noise = [(one.problem.field - one.problem.clean)[straight.mask] for one in every.values()]
    assert abs(float(torch.corrcoef(torch.stack(noise))[0, 1])) < 0.1
    error = float((every["2"].cosmos - straight.chi).norm() / straight.chi.norm())
    assert error < 0.5
