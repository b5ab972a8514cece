"""Denoisers before QSMnet, against QSMnet alone, at 0, 3, 5, 7 and 9 ppb of noise.

How good the denoised local field is (pSNR, SSIM), and then the map that QSMnet makes of it (NRMSE, pSNR, SSIM, HFEN):
the cascade of the poster. "none" is the noisy field itself, and QSMnet alone. The poster's grid of losses needs a
network for each loss; what is compared here are the denoisers of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qsmflow.core.metrics import hfen, nrmse, psnr_rescaled, ssim
from qsmflow.nets import predict
from qsmflow.reports.blocks import Block, Note

from .figures import curves, maps
from .methods import invert
from .problems import Problem, brain_problem, study_head
from .study import Case, Done, Outcome, Request, Row, Score, Study, Varied
from .tables import pivot, rows_of

_LEVELS = (0.0, 3.0, 5.0, 7.0, 9.0)
_DENOISERS = ("none", "denoiser_2d", "denoiser_3d")
_NETWORK = "qsmnet"
_METRICS = (("psnr", psnr_rescaled, "dB"), ("ssim", ssim, ""), ("nrmse", nrmse, "%"), ("hfen", hfen, "%"))
#: How the regions of the rows, which are volumes here, are called in tables.
_TITLES = {"field": "The local field", "map": f"The map of {_NETWORK}"}


def _cases(request: Request) -> list[Case]:
    problem = {"voxel": 2.0 if request.quick else 1.0}
    return [
        Case(problem, {"denoiser": one, "noise": level}, (_NETWORK,) if one == "none" else (one, _NETWORK))
        for level in (_LEVELS[::2] if request.quick else _LEVELS)
        for one in _DENOISERS
    ]


def _prepare(problem: Varied, files: Sequence[Path]) -> Problem:
    return brain_problem(study_head(files), (float(problem["voxel"]),) * 3)


def _compute(made: Problem, varied: Varied) -> Outcome:
    noisy = made.with_noise(1e-3 * float(varied["noise"]))
    field = noisy.field
    if varied["denoiser"] != "none":
        field = predict(field, noisy.mask, noisy.voxel_size, noisy.b0_dir, str(varied["denoiser"])).map
    chi = invert(_NETWORK, noisy, field)
    scores = [
        Score(name, float(metric(found, true, made.mask)), unit, where)
        for where, found, true in (("field", field, made.clean), ("map", chi, made.chi))
        for name, metric, unit in _METRICS
    ]
    return Outcome(scores, {"map": chi, "truth": made.chi}, made.affine)


def _show(done: Sequence[Done]) -> list[Block]:
    blocks: list[Block] = []
    for region, title in _TITLES.items():
        for metric, _, unit in _METRICS if region == "map" else _METRICS[:2]:
            rows = rows_of(done, region=region, metric=metric)
            name = f"{metric}, {unit}" if unit else metric
            blocks.append(pivot(f"{title}: {name} at each noise, ppb", rows, ("denoiser",), "noise"))
            blocks.append(
                curves(f"noise_{region}_{metric}", rows, "noise", "noise of the field, ppb", metric, "denoiser")
            )
    blocks.append(Note(_verdict(rows_of(done, region="map", metric="nrmse"))))
    blocks += maps("noise_9ppb", [one for one in done if one.case.varied["noise"] == _LEVELS[-1]], "denoiser")
    return blocks


def _verdict(rows: Sequence[Row]) -> str:
    """The best chain at each level, in words."""
    best = []
    for level in _LEVELS:
        found = [row for row in rows if row["noise"] == level and not row["note"]]
        if found:
            least = min(found, key=lambda row: float(row["value"]))
            best.append(f"{level:g} ppb: {least['denoiser']} ({float(least['value']):.1f} %)")
    return f"Least NRMSE of the map at each noise: {', '.join(best)}."


STUDY = Study(_cases, _prepare, _compute, _show, headed=True)
