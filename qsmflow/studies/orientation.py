"""TKD, MEDI and QSMnet in several orientations, held against COSMOS.

COSMOS of all orientations of a head, and the map of each orientation alone: pSNR, NRMSE, HFEN and SSIM against COSMOS,
paired t-tests over the orientations with Holm's correction, the means of regions with their standard deviation across
orientations, and maps of that deviation: figures 2 to 4 of the QSMnet paper. The head is simulated, in five directions
of B0 with 2 ppb of noise; or, with ``--data``, the heads are those of an output of ``qsmflow run`` on several
orientations, with the regions that it has, each method where there is what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from qsmflow.core.metrics import hfen, nrmse, psnr_rescaled, region_statistics, ssim
from qsmflow.core.paired import paired_tests
from qsmflow.reports.blocks import Block, Note, Table

from .figures import boxes, maps, spread
from .frames import moves
from .measured import Orientation, listed, orientations_of, read, simulated
from .methods import cases_of, invert
from .problems import NOISE, ORIENTATIONS, study_brain
from .study import Case, Done, Outcome, Request, Score, Study, Value, Varied
from .tables import number, pivot, rows_of

_METHODS = ("tkd", "medi", "qsmnet", "l2", "qsmnet_plus")
_METRICS = (("psnr", psnr_rescaled, "dB"), ("nrmse", nrmse, "%"), ("hfen", hfen, "%"), ("ssim", ssim, ""))
_SIMULATED = "simulated"
_OF_REGIONS = (
    "Each orientation has the regions that the run gave it, and COSMOS was turned there: the SD of COSMOS is what this "
    "adds to the SD of every method."
)
_OF_TESTS = (
    "Holm's correction is for all pairs of one metric, and not for the number of metrics. The tests take orientations "
    "for independent, which those of one head are not: they share its anatomy and its COSMOS, which all of them made."
)


def _cases(request: Request) -> list[Case]:
    if request.data is None:
        problem: Varied = {"head": _SIMULATED, "voxel": request.voxel}
        chosen = _METHODS[:3] if request.quick else _METHODS
        numbers = [str(number) for number in range(1, len(ORIENTATIONS) + 1)]
        return [
            Case(problem, {"orientation": one, **case.varied}, case.weights)
            for one in numbers
            for case in cases_of(problem, chosen)
        ]
    return [
        Case(head.problem, {"orientation": name, **case.varied}, case.weights, head.files)
        for head in listed(request.data)
        for name in head.orientations
        for case in cases_of(head.problem, _METHODS if head.weighted else tuple(m for m in _METHODS if m != "medi"))
    ]


def _prepare(problem: Varied, files: Sequence[Path]) -> dict[str, Orientation]:
    if problem["head"] == _SIMULATED:
        return simulated(study_brain(files, float(problem["voxel"])).with_noise(NOISE))
    return {name: read(one) for name, one in orientations_of(problem).items()}


def _compute(made: dict[str, Orientation], varied: Varied) -> Outcome:
    seen = made[str(varied["orientation"])]
    problem = seen.problem
    chi = invert(str(varied["method"]), problem)
    scores = [Score(name, float(metric(chi, seen.cosmos, problem.mask)), unit) for name, metric, unit in _METRICS]
    for which, volume in (("mean", chi), ("cosmos", seen.cosmos)):
        for label, region in region_statistics(volume, problem.labels, problem.mask).items():
            if label in seen.regions:
                scores.append(Score(which, region.mean, "ppm", seen.regions[label]))
    return Outcome(scores, {"map": chi, "truth": seen.cosmos}, problem.affine)


def _show(done: Sequence[Done]) -> list[Block]:
    blocks: list[Block] = [
        pivot("Against COSMOS, mean ± SD over the orientations of a method", rows_of(done, region="mask"), ("method",)),
        Note(_verdict(done)),
        *(_tests(done, metric) for metric, _, _ in _METRICS),
        Note(_OF_TESTS),
        *(boxes(f"orientation_{metric}", rows_of(done, metric=metric), metric) for metric, _, _ in _METRICS),
    ]
    heads = dict.fromkeys(str(one.case.problem["head"]) for one in done)
    regions = [table for head in heads if (table := _regions(done, head)).rows]
    blocks += regions
    if regions and _SIMULATED not in heads:
        blocks.append(Note(_OF_REGIONS))
    first = [one for one in done if one.case.row["orientation"] == done[0].case.row["orientation"]]
    blocks += maps("orientation", first, reference="COSMOS")
    return blocks + _spread(done)


def _spread(done: Sequence[Done]) -> list[Block]:
    """Maps of the standard deviation across the orientations of the first head."""
    name, problem = "orientation_spread", done[0].case.problem
    if problem["head"] == _SIMULATED:
        return list(spread(name, done))
    ways = moves(problem)
    tied = [one for one in done if one.case.problem == problem and one.case.row["orientation"] in ways]
    pictures = spread(name, tied, bring=lambda one, chi: ways[str(one.case.row["orientation"])].bring(chi))
    missing = Note(f"No maps of the standard deviation: no transforms tie the orientations of {problem['head']}.")
    return list(pictures) or [missing]


def _regions(done: Sequence[Done], head: str) -> Table:
    """The mean of every region of a head by every method, beside COSMOS."""
    rows = rows_of(done, metric="mean", head=head)
    # COSMOS is the same beside every method
    rows += [{**row, "method": "COSMOS"} for row in rows_of(done, metric="cosmos", head=head, method="tkd")]
    caption = f"Regions ({head}), ppm, mean ± SD across orientations"
    return pivot(caption, [row for row in rows if not row["note"]], ("region",), "method")


def _verdict(done: Sequence[Done]) -> str:
    """Which method is nearest to COSMOS in the orientations that all have, beside what the paper found."""
    values = _by_method(done, "nrmse")
    shared = [case for case in zip(*values.values(), strict=True) if all(map(math.isfinite, case))]
    means = dict(zip(values, map(fmean, zip(*shared, strict=True)), strict=False))
    order = ", ".join(sorted(means, key=lambda method: means[method])) or "none, since none is shared"
    told = (
        f"By NRMSE in the {len(shared)} orientations that all methods have, from the nearest to COSMOS: {order}. "
        "The paper finds QSMnet nearer than MEDI and TKD in measured heads."
    )
    if done[0].case.problem["head"] == _SIMULATED:
        told += " A simulated head is what MEDI takes a head for: its borders are those of the magnitude."
    return told


def _tests(done: Sequence[Done], metric: str) -> Table:
    """Paired t-tests of every method against every other, over heads and orientations."""
    values = _by_method(done, metric)
    count = len(next(iter(values.values()), []))
    lines = [
        [f"{test.first} - {test.second}", *(number(one) for one in test[2:])]
        for test in (paired_tests(values) if count > 1 else [])
    ]
    head = ["pair", "n", "mean difference", "t", "p", "p, Holm"]
    return Table(f"{metric}: paired t-tests over {count} orientations, n of which both methods have", head, lines)


def _by_method(done: Sequence[Done], metric: str) -> dict[str, list[float]]:
    """What each method has in every orientation of every head, in one order; NaN where it has nothing."""
    found: dict[str, dict[tuple[Value, Value], float]] = {}
    for row in rows_of(done, metric=metric):
        if not row["note"]:
            found.setdefault(str(row["method"]), {})[row["head"], row["orientation"]] = float(row["value"])
    every = dict.fromkeys(case for values in found.values() for case in values)
    return {method: [values.get(case, math.nan) for case in every] for method, values in found.items()}


STUDY = Study(_cases, _prepare, _compute, _show, measured=True, headed=True)
