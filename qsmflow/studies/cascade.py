"""A denoiser before QSMnet: how good the field is, then the map, and which denoiser is best at each noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import torch

from qsmflow.core.metrics import hfen, nrmse, psnr_rescaled, ssim
from qsmflow.reports.blocks import Block, Note, Table

from .figures import curves, maps
from .methods import invert
from .problems import Problem
from .study import Done, Outcome, Request, Score
from .tables import number, pivot, rows_of

#: ppb.
_LEVELS = (0.0, 3.0, 5.0, 7.0, 9.0)
#: The network that makes maps, and how the chain without a denoiser is called.
NETWORK, ALONE = "qsmnet", "none"
_METRICS = (("psnr", psnr_rescaled, "dB"), ("ssim", ssim, ""), ("nrmse", nrmse, "%"), ("hfen", hfen, "%"))
_LESS_IS_MORE = ("nrmse", "hfen")
#: How the regions of the rows, which are volumes here, are called in tables; and what is told of each.
_TITLES = {"field": "The local field", "map": f"The map of {NETWORK}"}
_TOLD = {"field": _METRICS[:2], "map": _METRICS}


def levels(request: Request) -> tuple[float, ...]:
    """Noise that is added to fields, ppb."""
    return (0.0, 5.0, 9.0) if request.quick else _LEVELS


def scored(made: Problem, level: float, denoise: Callable[[Problem], torch.Tensor] | None) -> Outcome:
    """The field and the map of it with noise of `level` ppb; `denoise` gives a better field, (X, Y, Z), ppm."""
    noisy = made.with_noise(1e-3 * level)
    field = noisy.field if denoise is None else denoise(noisy)
    chi = invert(NETWORK, noisy, field)
    scores = [
        Score(name, float(metric(found, true, made.mask)), unit, where)
        for where, found, true in (("field", field, made.clean), ("map", chi, made.chi))
        for name, metric, unit in _METRICS
    ]
    return Outcome(scores, {"map": chi, "truth": made.chi}, made.affine)


def show_cascade(name: str, done: Sequence[Done]) -> list[Block]:
    """Tables and curves of every metric against noise, the best denoiser at each, and maps at the most noise."""
    blocks: list[Block] = [_best(done), Note(_verdict(done))]
    for region, title in _TITLES.items():
        for metric, _, unit in _TOLD[region]:
            rows = rows_of(done, region=region, metric=metric)
            said = f"{metric}, {unit}" if unit else metric
            blocks.append(pivot(f"{title}: {said} at each noise, ppb", rows, ("denoiser",), "noise"))
            blocks.append(
                curves(f"{name}_{region}_{metric}", rows, "noise", "noise of the field, ppb", metric, "denoiser")
            )
    worst = max(_LEVELS)
    first = done[0].case.problem.get("head")
    shown = [one for one in done if one.case.varied["noise"] == worst and one.case.problem.get("head") == first]
    return blocks + list(maps(f"{name}_{worst:g}ppb", shown, "denoiser"))


def _best(done: Sequence[Done]) -> Table:
    """The best denoiser by each metric at each noise, and the network alone beside it."""
    found = dict.fromkeys(float(one.case.varied["noise"]) for one in done)
    body = []
    for region, title in _TITLES.items():
        for metric, _, unit in _TOLD[region]:
            line = [title, f"{metric}, {unit}" if unit else metric]
            for level in found:
                means = _means(done, region, metric, level)
                alone = f" (none {number(means[ALONE])})" if ALONE in means else ""
                best = next((f"{name} {number(value)}" for name, value in means.items() if name != ALONE), "no weights")
                line.append(best + alone)
            body.append(line)
    head = ["of", "metric", *(f"{level:g} ppb" for level in found)]
    return Table("The best denoiser by each metric at each noise; in brackets without a denoiser", head, body)


def _verdict(done: Sequence[Done]) -> str:
    """Where a denoiser helps the map and where it does harm, in words."""
    said = []
    for level in dict.fromkeys(float(one.case.varied["noise"]) for one in done):
        names = list(_means(done, "map", "nrmse", level))
        if ALONE in names:
            said.append(f"at {level:g} ppb {names.index(ALONE)} of {len(names) - 1}")
    lead = f"Denoisers after which the NRMSE of the map is less than that of {NETWORK} alone"
    tail = (
        "The cascade of the poster harms a field without noise; these denoisers are told the noise, and what they add "
        "is in units of it."
    )
    return f"{lead}: {', '.join(said)}. {tail}"


def _means(done: Sequence[Done], region: str, metric: str, level: float) -> dict[str, float]:
    """The mean of a metric over heads by denoiser, the best first."""
    values: dict[str, list[float]] = {}
    for row in rows_of(done, region=region, metric=metric, noise=level):
        if not row["note"]:
            values.setdefault(str(row["denoiser"]), []).append(float(row["value"]))
    sign = 1.0 if metric in _LESS_IS_MORE else -1.0
    means = {name: fmean(found) for name, found in values.items()}
    return dict(sorted(means.items(), key=lambda item: sign * item[1]))
