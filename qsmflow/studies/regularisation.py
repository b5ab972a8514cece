"""How much the answer moves with a weight that someone has to choose.

Closed-form L2, nonlinear TV (FANSI) and MEDI with their weight from a quarter of its default to four times that, on a
head in five orientations to B0, with ``--quick`` two, beside the networks, which have no weight to choose: the error of
the map, and the mean susceptibility of the globus pallidus, of which the truth stands in the table too. How much the
answer moves is the range of its means over the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from qsmflow import config
from qsmflow.core.metrics import nrmse
from qsmflow.reports.blocks import Block, Note

from .figures import curves, maps
from .methods import invert
from .problems import NOISE, ORIENTATIONS, Problem, study_brain, turned
from .study import Case, Done, Outcome, Request, Row, Score, Study, Varied
from .tables import number, pivot, rows_of, values_by

_WEIGHTS = {"l2": config.L2().weight, "nltv": config.NLTV().weight, "medi": config.MEDI().weight}
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_PALLIDUM = 2


def _cases(request: Request) -> list[Case]:
    orientations = range(2 if request.quick else len(ORIENTATIONS))
    cases = []
    for orientation in orientations:
        problem = {"orientation": orientation + 1, "voxel": request.voxel}
        for method in _WEIGHTS:
            factors = _FACTORS[::2] if request.quick else _FACTORS
            cases += [Case(problem, {"method": method, "factor": factor}) for factor in factors]
        cases += [Case(problem, {"method": method, "factor": 1.0}, (method,)) for method in config.NETWORKS]
    return cases


def _prepare(problem: Varied, files: Sequence[Path]) -> Problem:
    straight = study_brain(files, float(problem["voxel"]))
    return turned(straight, ORIENTATIONS[int(problem["orientation"]) - 1]).with_noise(NOISE)


def _compute(made: Problem, varied: Varied) -> Outcome:
    method = str(varied["method"])
    settings = {"weight": float(varied["factor"]) * _WEIGHTS[method]} if method in _WEIGHTS else {}
    chi = invert(method, made, settings=settings)
    pallidum = made.mask & (made.labels == _PALLIDUM)
    scores = [Score("nrmse", float(nrmse(chi, made.chi, made.mask)), "%")]
    for name, volume in (("found", chi), ("true", made.chi)):
        scores.append(Score(name, float(volume[pallidum].mean()), "ppm", "globus pallidus"))
    return Outcome(scores, {"map": chi, "truth": made.chi}, made.affine)


def _show(done: Sequence[Done]) -> list[Block]:
    error, found = rows_of(done, metric="nrmse"), rows_of(done, metric="found")
    found += [{**row, "method": "truth", "metric": "found", "factor": 1.0} for row in rows_of(done[:1], metric="true")]
    first = [one for one in done if one.case.problem["orientation"] == 1 and one.case.varied["method"] == "medi"]
    return [
        pivot(
            "NRMSE, %, mean ± SD over orientations, by the factor of the default weight", error, ("method",), "factor"
        ),
        pivot("Globus pallidus, ppm, mean ± SD over orientations", found, ("method",), "factor"),
        _moved(found),
        curves("regularisation_nrmse", error, "factor", "factor of the default weight", "nrmse", label="NRMSE"),
        curves(
            "regularisation_pallidus",
            found,
            "factor",
            "factor of the default weight",
            "found",
            label="χ of the globus pallidus",
        ),
        *maps("regularisation_medi", first, "factor"),
    ]


def _moved(found: Sequence[Row]) -> Note:
    """How far the mean of the globus pallidus moves with the weight."""
    told = []
    for method in _WEIGHTS:
        by_factor = values_by([row for row in found if row["method"] == method], "factor")
        if means := [fmean(values) for values in by_factor.values()]:
            told.append(f"{method} {number(max(means) - min(means))}")
    return Note(f"Over these weights the mean of the globus pallidus moves by, ppm: {', '.join(told)}.")


STUDY = Study(_cases, _prepare, _compute, _show, headed=True)
