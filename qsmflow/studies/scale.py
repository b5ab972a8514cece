"""Networks on one phantom of spheres and cylinders at rising resolution.

The shapes fill 64, 96, 128 and 256 voxels along each axis and their field is exact, with an SNR of 100: the largest
field over the standard deviation of the noise. DeepQSM, QSMnet+ and SI-QSM, as in table 3.1 of the thesis that
described SI-QSM, beside closed-form L2 and TV. The thesis has a phantom of its own: how the error changes with the
resolution can be compared, its size cannot. `qsmnet` saw heads alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qsmflow.core.metrics import nrmse, rmse
from qsmflow.reports.blocks import Block

from .figures import curves, maps
from .methods import cases_of, invert
from .problems import Problem, shapes_problem
from .study import Case, Done, Outcome, Request, Row, Score, Study, Varied
from .tables import pivot, rows_of

_SIZES = (64, 96, 128, 256)
#: RMSE of SI-QSM in table 3.1 of the thesis, ppb.
_PUBLISHED = (2.42, 2.21, 2.02, 1.74)
_METHODS = ("l2", "tv", "deepqsm", "qsmnet_plus", "siqsm", "qsmnet")


def _cases(request: Request) -> list[Case]:
    sizes = [size for size in _SIZES if size <= 96 or not request.quick]
    return [case for size in sizes for case in cases_of({"size": size}, _METHODS)]


def _prepare(problem: Varied, files: Sequence[Path]) -> Problem:
    return shapes_problem(int(problem["size"]))


def _compute(made: Problem, varied: Varied) -> Outcome:
    chi = invert(str(varied["method"]), made)
    error, relative = (float(metric(chi, made.chi, made.mask)) for metric in (rmse, nrmse))
    return Outcome(
        [Score("rmse", 1e3 * error, "ppb"), Score("nrmse", relative, "%")], {"map": chi, "truth": made.chi}, made.affine
    )


def _show(done: Sequence[Done]) -> list[Block]:
    blocks: list[Block] = []
    for metric, unit in (("rmse", "ppb"), ("nrmse", "%")):
        rows = rows_of(done, metric=metric)
        caption = f"{metric}, {unit}, by voxels along each axis"
        blocks.append(pivot(caption, [*rows, *_published(rows, metric)], ("method",), "size"))
        blocks.append(curves(f"scale_{metric}", rows, "size", "voxels along each axis", metric))
    return [*blocks, *maps("scale_96", [one for one in done if one.case.problem["size"] == 96], limit=0.05)]


def _published(rows: Sequence[Row], metric: str) -> list[Row]:
    """The thesis's own numbers for the sizes of `rows`."""
    sizes = [row["size"] for row in rows]
    told = {"method": "siqsm in the thesis", "note": ""}
    return [
        {**told, "size": size, "value": value}
        for size, value in zip(_SIZES, _PUBLISHED, strict=True)
        if metric == "rmse" and size in sizes
    ]


STUDY = Study(_cases, _prepare, _compute, _show)
