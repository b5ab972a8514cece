"""What is shown of denoisers before QSMnet: metrics against noise, and which denoiser is best at each."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from qsmflow.reports.blocks import Block, Note, Table

from .cascade import ALONE, LEVELS, METRICS, NETWORK
from .figures import curves, maps
from .study import Done
from .tables import number, pivot, rows_of, values_by

_LESS_IS_MORE = ("nrmse", "hfen")
#: How the regions of the rows, which are volumes here, are called in tables; and what is told of each.
_TITLES = {"field": "The local field", "map": f"The map of {NETWORK}"}
_TOLD = {"field": METRICS[:2], "map": METRICS}


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
    worst = max(LEVELS)
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
    """Where denoisers help the map and where they do harm, beside what the poster found."""
    said, harm = [], ""
    for level in dict.fromkeys(float(one.case.varied["noise"]) for one in done):
        means = _means(done, "map", "nrmse", level)
        others = [value for name, value in means.items() if name != ALONE]
        if ALONE in means and others:
            said.append(f"at {level:g} ppb {sum(value < means[ALONE] for value in others)} of {len(others)}")
            if level == 0.0:
                least, most = (number(100.0 * value / means[ALONE] - 100.0) for value in (min(others), max(others)))
                harm = (
                    f" The poster's cascade harms a field without noise; these change its NRMSE by {least} to {most} %."
                )
    return f"Denoisers after which the NRMSE of the map is less than that of {NETWORK} alone: {', '.join(said)}.{harm}"


def _means(done: Sequence[Done], region: str, metric: str, level: float) -> dict[str, float]:
    """The mean of a metric over heads by denoiser, the best first."""
    values = values_by(rows_of(done, region=region, metric=metric, noise=level), "denoiser")
    sign = 1.0 if metric in _LESS_IS_MORE else -1.0
    means = {name: fmean(found) for name, found in values.items()}
    return dict(sorted(means.items(), key=lambda item: sign * item[1]))
