"""TKD, MEDI and QSMnet in five orientations, held against COSMOS.

One head in five directions of B0 with 2 ppb of noise, COSMOS of all five, and the map of each orientation alone: pSNR,
NRMSE, HFEN and SSIM against COSMOS, paired t-tests over the orientations with Holm's correction, the means of the deep
nuclei with their standard deviation across orientations, and maps of that deviation: figures 2 to 4 of the QSMnet
paper. With ``--data`` the heads of an output of ``qsmflow run`` on several orientations, without nuclei.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from qsmflow.core.metrics import hfen, nrmse, psnr_rescaled, region_statistics, ssim
from qsmflow.core.paired import paired_tests
from qsmflow.phantom.tissues import read_tissues
from qsmflow.reports.blocks import Block, Note, Table

from .figures import boxes, maps, spread
from .measured import Orientation, listed, orientations_of, read, simulated
from .methods import cases_of, invert
from .problems import NOISE, ORIENTATIONS, study_brain
from .study import Case, Done, Outcome, Request, Row, Score, Study, Varied
from .tables import number, pivot, rows_of, values_by

_METHODS = ("tkd", "medi", "qsmnet", "l2", "qsmnet_plus")
_METRICS = (("psnr", psnr_rescaled, "dB"), ("nrmse", nrmse, "%"), ("hfen", hfen, "%"), ("ssim", ssim, ""))
_SIMULATED = "simulated"
_NUCLEI = {tissue.label: tissue.name for tissue in read_tissues("head").tissues if tissue.label <= 6}


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
            if label in _NUCLEI:
                scores.append(Score(which, region.mean, "ppm", _NUCLEI[label]))
    # all orientations of a simulated head are in the voxels of the first
    affine = next(iter(made.values())).problem.affine
    return Outcome(scores, {"map": chi, "truth": seen.cosmos}, affine)


def _show(done: Sequence[Done]) -> list[Block]:
    blocks: list[Block] = [
        pivot("Against COSMOS, mean ± SD over orientations", rows_of(done, region="mask"), ("method",)),
        Note(_verdict(rows_of(done, metric="nrmse"))),
        *(_tests(done, metric) for metric, _, _ in _METRICS),
        *(boxes(f"orientation_{metric}", rows_of(done, metric=metric), metric) for metric, _, _ in _METRICS),
    ]
    nuclei = rows_of(done, metric="mean")
    if any(row["metric"] == "mean" for row in nuclei):
        nuclei += [{**row, "method": "cosmos"} for row in rows_of(done, metric="cosmos", method="tkd")]
        blocks.append(pivot("Nuclei, ppm, mean ± SD across orientations", nuclei, ("method",), "region"))
    first = [one for one in done if one.case.row["orientation"] == done[0].case.row["orientation"]]
    blocks += maps("orientation", first, reference="COSMOS")
    if done[0].case.problem["head"] == _SIMULATED:
        blocks += spread("orientation_spread", done)
    return blocks


def _verdict(rows: Sequence[Row]) -> str:
    """Which method is nearest to COSMOS, beside what the paper found."""
    values = values_by(rows, "method")
    order = sorted(values, key=lambda method: fmean(values[method]))
    return (
        f"By NRMSE from the nearest to COSMOS: {', '.join(order)}. The paper finds QSMnet nearer than MEDI and TKD in "
        "measured heads. A simulated head is what MEDI takes a head for: its borders are those of the magnitude."
    )


def _tests(done: Sequence[Done], metric: str) -> Table:
    """Paired t-tests of every method against every other, over heads and orientations."""
    values = values_by(rows_of(done, metric=metric), "method")
    lines = (
        [[f"{test.first} - {test.second}", *(number(one) for one in test[2:])] for test in paired_tests(values)]
        if len(next(iter(values.values()), [])) > 1
        else []
    )
    head = ["pair", "mean difference", "t", "p", "p, Holm"]
    return Table(f"{metric}: paired t-tests over {len(next(iter(values.values()), []))} orientations", head, lines)


STUDY = Study(_cases, _prepare, _compute, _show, measured=True, headed=True)
