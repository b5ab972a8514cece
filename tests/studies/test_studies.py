"""Every study gives numbers, tables and pictures; on coarse grids here, by a few methods, without pydra."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch

from qsmflow.nets import Prediction, weights
from qsmflow.phantom.head import ProceduralHead
from qsmflow.reports.blocks import Block, Note, Picture, Table
from qsmflow.studies import cascade, cascade_tables, catalogue, challenge, grids, methods, problems
from qsmflow.studies.problems import Problem, brain_problem
from qsmflow.studies.study import Case, Done, Request
from qsmflow.studies.tables import number

QUICK = ("tkd", "l2", "vsharp", "none")
COARSE = {"voxel": 4.0, "size": 24}


def results(
    name: str, folder: Path, *, quick: bool = True, data: Path | None = None, by: Collection[str] = QUICK
) -> list[Done]:
    """What the study comes to on coarse grids, or on measured `data`, where it is by one of `by`."""
    study = catalogue.load(name)
    prepared: dict[str, object] = {}
    done = []
    for place, case in enumerate(study.cases(Request(quick, data))):
        if not set(by) & set(map(str, case.row.values())) or case.problem.get("size", 0) > 64:
            continue
        problem = {key: COARSE.get(key, value) for key, value in case.problem.items()}
        if repr(problem) not in prepared:
            prepared[repr(problem)] = study.prepare(problem, case.files)
        outcome = study.compute(prepared[repr(problem)], case.varied)
        maps = folder / f"{name}{place}.pt"
        torch.save({"affine": outcome.affine, **outcome.maps}, maps)
        rows = [{**case.row, "note": "", **score._asdict()} for score in outcome.scores]
        done.append(Done(Case(problem, case.varied), rows, maps))
    return done


def values(done: list[Done], metric: str, **where: object) -> list[float]:
    rows = [row for one in done for row in one.rows if row["metric"] == metric]
    return [float(row["value"]) for row in rows if all(row[key] == value for key, value in where.items())]


def cells(blocks: list[Block]) -> list[str]:
    return [cell for block in blocks if isinstance(block, Table) for line in block.rows for cell in line]


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads that are made soon."""
    monkeypatch.setitem(ProceduralHead.__init__.__kwdefaults__, "spacing", 3.0)


def shown(name: str, done: list[Done], pictures: int, tables: int) -> list[Block]:
    blocks = catalogue.load(name).show(done)
    kinds = [type(block) for block in blocks]
    assert kinds.count(Picture) == pictures
    assert kinds.count(Table) == tables
    for block in blocks:
        if isinstance(block, Picture):
            assert block.png.startswith(b"\x89PNG") and len(block.alt) > 20 and block.caption
    return blocks


def test_every_study_is_in_the_catalogue_with_a_summary() -> None:
    folder = Path(catalogue.__file__).parent
    assert {path.stem for path in folder.glob("*.py") if "\nSTUDY = " in path.read_text()} == set(catalogue.NAMES)
    for name in catalogue.NAMES:
        summary, empty, *more = catalogue.about(name).splitlines()
        assert summary.endswith(".") and not empty and more


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_cases_differ_and_name_their_networks(name: str) -> None:
    full, quick = (catalogue.load(name).cases(Request(quick=one)) for one in (False, True))
    for cases in (full, quick):
        assert len({repr(sorted(case.row.items())) for case in cases}) == len(cases)
        for case in cases:
            named = {one for one in map(str, case.varied.values()) if one in ("qsmnet", "siqsm", "denoiser_2d")}
            assert named <= set(case.weights)
    assert len(quick) <= len(full)


def test_challenge_with_and_without_a_calcification(tmp_path: Path) -> None:
    done = results("challenge", tmp_path, quick=False)
    assert len(values(done, "NRMSE")) == 4
    assert all(math.isfinite(one) for one in values(done, "dNRMSE_DGM"))
    blocks = shown("challenge", done, pictures=4, tables=2)
    assert "n/a" not in cells(blocks)


def test_the_calcification_is_scored() -> None:
    plain = brain_problem(ProceduralHead(problems.HEAD), (5.0, 5.0, 5.0))
    middle = tuple(int(one) for one in torch.nonzero(plain.mask).float().mean(0).round())
    labels = plain.labels.index_put(tuple(torch.tensor([one]) for one in middle), torch.tensor(16, dtype=torch.uint8))
    for problem, there in ((plain, False), (dataclasses.replace(plain, labels=labels), True)):
        scores = challenge.STUDY.compute(problem, {"method": "tkd"}).scores
        assert ("CalcStreak" in {score.metric for score in scores}) == there


def test_the_head_of_the_challenge_has_one_calcification(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.cartesian_prod(*(torch.arange(-70.0, 71.0, 2.0),) * 3)
    for calcified in (True, False):
        labels = challenge.ChallengeHead(problems.study_head((), 3.0), calcified=calcified).labels_at(points)
        stones = points[labels == 16]
        assert bool(len(stones)) == calcified
        assert not len(stones) or float((stones - stones.mean(0)).norm(dim=-1).max()) < 6.0
        assert not bool((labels == 17).any())


def test_lines_through_lesions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COARSE, "voxel", 3.0)
    done = results("linearity", tmp_path)
    true = sorted(values(done, "true", method="l2"))
    assert [round(one, 1) for one in true] == [round(0.2 * step, 1) for step in range(-7, 8) if step]
    blocks = shown("linearity", done, pictures=3, tables=1)
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.head == ["method", "slope", "offset, ppm", "rmse, ppm", "worst error, ppm", "published"]
    assert all(float(line[3]) <= float(line[4]) for line in table.rows)
    assert all(0.4 < float(line[1]) < 1.1 for line in table.rows)


def test_weights_of_l2_move_the_answer(tmp_path: Path) -> None:
    done = results("regularisation", tmp_path)
    weak, strong = (values(done, "found", factor=factor)[0] for factor in (0.25, 4.0))
    assert weak > strong
    blocks = shown("regularisation", done, pictures=2, tables=2)
    assert "truth" in cells(blocks)
    found = [fmean(values(done, "found", factor=factor)) for factor in (0.25, 1.0, 4.0)]
    assert any(f"l2 {number(max(found) - min(found))}." in getattr(block, "text", "") for block in blocks)


def test_a_background_costs_more_than_none(tmp_path: Path) -> None:
    done = results("background", tmp_path)
    assert len(done) == 3
    for removed, true in zip(values(done, "l2, removed"), values(done, "l2, true local field"), strict=True):
        assert removed > true
    assert all(0.0 < one < 100.0 for one in values(done, "field"))
    shown("background", done, pictures=2, tables=1)


def test_a_map_on_another_grid_beside_one_brought_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "invert", lambda method, problem: problem.chi)
    study = catalogue.load("grids")
    (case, *_) = study.cases(Request(quick=True))
    outcome = study.compute(study.prepare({**case.problem, "voxel": 4.0}, ()), case.varied)
    there, brought = (score.value for score in outcome.scores)
    assert there == 0.0  # the truth, where it is
    assert 0.0 < brought < 100.0  # and after interpolation
    rows = [{**case.row, "note": "", **score._asdict()} for score in outcome.scores]
    shown("grids", [Done(case, rows, None)], pictures=0, tables=1)


def test_orientations_against_cosmos(tmp_path: Path) -> None:
    done = results("orientation", tmp_path, quick=False)
    assert len(done) == 10
    tkd, cosmos = (values(done, metric, region="globus pallidus") for metric in ("mean", "cosmos"))
    assert len(tkd) == 10 and len(set(cosmos)) == 1
    blocks = shown("orientation", done, pictures=7, tables=6)
    tests = [block for block in blocks if isinstance(block, Table) and "t-tests over 5" in block.caption]
    assert [len(test.rows) for test in tests] == [1, 1, 1, 1]
    assert [line[1] for test in tests for line in test.rows] == ["5"] * 4
    texts = [block.text for block in blocks if isinstance(block, Note)]
    assert any("in the 5 orientations that all methods have, from the nearest to COSMOS: l2, tkd." in t for t in texts)
    assert any("A simulated head" in text for text in texts)


def test_timing_counts_seconds_and_memory(tmp_path: Path) -> None:
    done = results("timing", tmp_path)
    for metric in ("seconds", "pairs", "memory"):
        assert all(one > 0.0 for one in values(done, metric))
    blocks = shown("timing", done, pictures=3, tables=3)
    assert [block.head[-1] for block in blocks if isinstance(block, Table)] == ["64", "fastest peer at 160", "64"]


def test_scale_falls_with_resolution_and_names_networks_without_weights(tmp_path: Path) -> None:
    done = results("scale", tmp_path)
    left_out = Done(
        Case({"size": 24}, {"method": "siqsm"}, ("siqsm",)),
        [{**done[0].rows[0], "method": "siqsm", "note": "no weights"}],
        None,
    )
    assert "no weights" in cells(shown("scale", [*done, left_out], pictures=2, tables=2))


def test_noise_alone_and_denoised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cascade, "invert", lambda network, problem, field: 2.0 * (problem.field if field is None else field)
    )
    done = results("noise", tmp_path)
    assert weights.names()
    quality = values(done, "psnr", region="field")
    assert quality[0] == math.inf and quality[1:] == sorted(quality[1:], reverse=True)
    shown("noise", done, pictures=8, tables=7)


def cascaded(denoiser: str, level: float, psnr: float, nrmse: float) -> Done:
    case = Case({}, {"denoiser": denoiser, "noise": level})
    scores = [("field", "psnr", psnr), ("field", "ssim", psnr), *(("map", one, psnr) for one in ("psnr", "ssim"))]
    scores += [("map", one, nrmse) for one in ("nrmse", "hfen")]
    told = {"unit": "", "note": ""}
    return Done(case, [{**case.row, "region": r, "metric": m, "value": v, **told} for r, m, v in scores], None)


def test_the_best_denoiser_at_each_noise_and_whether_it_helps() -> None:
    done = [
        cascaded("none", 0.0, 40.0, 10.0),
        cascaded("ours", 0.0, 39.0, 11.0),
        cascaded("theirs", 0.0, 38.0, 12.0),
        cascaded("none", 9.0, 20.0, 50.0),
        cascaded("ours", 9.0, 31.0, 40.0),
        cascaded("theirs", 9.0, 30.0, 39.0),
    ]
    table, note, *_ = cascade_tables.show_cascade("noise", done)
    assert isinstance(table, Table)
    assert table.head == ["of", "metric", "0 ppb", "9 ppb"]
    # more decibels are better, and less error
    assert table.rows[0][1:] == ["psnr, dB", "ours 39 (none 40)", "ours 31 (none 20)"]
    assert table.rows[-1][1:] == ["hfen, %", "ours 11 (none 10)", "theirs 39 (none 50)"]
    told = "at 0 ppb less after 0 of 2, more after 2; at 9 ppb less after 2 of 2, more after 0."
    assert getattr(note, "text", "").count(told) == 2


def test_many_denoisers_are_drawn_against_none_and_ties_count_for_nothing() -> None:
    names = ["none", *(f"denoiser {number}" for number in range(8))]
    done = [cascaded(name, 5.0, 30.0 + i, 50.0 + 0.01 * i) for i, name in enumerate(names)]
    blocks = cascade_tables.show_cascade("denoiser", done)
    curves = [block for block in blocks if isinstance(block, Picture)]
    assert "psnr, difference from none" in curves[0].alt and "denoiser 0 from 1 to 1" in curves[0].alt
    assert "at 5 ppb less after 0 of 8, more after 0." in getattr(blocks[1], "text", "")


def test_the_numbers_of_the_thesis_stand_in_their_columns() -> None:
    study = catalogue.load("scale")
    cases = [case for case in study.cases(Request()) if case.varied["method"] == "l2"]
    done = [Done(one, [{**one.row, "metric": "rmse", "value": 3.0, "unit": "ppb", "note": ""}], None) for one in cases]
    table = study.show(done)[0]
    assert isinstance(table, Table) and table.head == ["method", "64", "96", "128", "256"]
    assert table.rows[-1] == ["siqsm in the thesis", "2.42", "2.21", "2.02", "1.74"]


@pytest.mark.long
def test_a_denoiser_of_each_loss(tmp_path: Path) -> None:
    study = catalogue.load("denoiser")
    cases = study.cases(Request(quick=True))
    names = [one for one in dict.fromkeys(case.varied["denoiser"] for case in cases) if one != "none"]
    assert len(names) == 12
    brain, networks = study.prepare({**cases[0].problem, "steps": 2, "voxel": 4.0}, ())
    assert set(networks) == {name for name in names if str(name).startswith("2-D")}
    assert networks["2-D 0.7-0.7 SSIM 0.3"][1].output.name == "field"
    field = study.compute((brain, networks), {"denoiser": "2-D 0-1", "noise": 5.0})
    assert {score.region for score in field.scores} == {"field", "map"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["loss", "patch"])
def test_networks_of_a_small_budget(name: str, tmp_path: Path) -> None:
    study = catalogue.load(name)
    case = study.cases(Request(quick=True))[0]
    outcome = study.compute(study.prepare({**case.problem, "steps": 2}, ()), case.varied)
    assert [score.metric for score in outcome.scores] == ["nrmse", "hfen", "xsim"]
    torch.save({"affine": outcome.affine, **outcome.maps}, tmp_path / "maps.pt")
    rows = [{**case.row, "note": "", **score._asdict()} for score in outcome.scores]
    shown(name, [Done(case, rows, tmp_path / "maps.pt")], pictures=2, tables=1)


def test_networks_are_told_the_noise_of_a_simulated_field_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []

    def predict(field: torch.Tensor, *_: Any, noise: float | None) -> Prediction:
        told.append(noise)
        return Prediction(field, None, {})

    monkeypatch.setattr(methods, "predict", predict)
    volume = torch.ones(4, 4, 4)
    problem = Problem(volume, volume, volume > 0, volume.to(torch.uint8), volume, np.eye(4), sd=0.003)
    for one, field in ((problem, None), (problem, volume), (dataclasses.replace(problem, measured=True), None)):
        methods.invert("qsmnet", one, field)
    assert told == [0.003, None, None]
