"""What is shown of denoisers before QSMnet: metrics against noise, and which denoiser is best at each."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from qsmflow.reports.blocks import Block, Note, Table

from .cascade import ALONE, LEVELS, METRICS, NETWORK
from .figures import curves, maps
from .study import Done, Row
from .tables import number, pivot, rows_of, values_by

_LESS_IS_MORE = ("nrmse", "hfen")
#: Share by which two values must differ to count as different.
_EQUAL = 0.01
#: dB from which a field counts as unchanged; and how many denoisers are too many curves for one figure.
_SAME, _MANY = 100.0, 6
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
            # the pSNR of a field that hardly changed is beyond all others
            drawn = [row for row in rows if metric != "psnr" or row["note"] or float(row["value"]) < _SAME]
            label = ""
            if len({row["denoiser"] for row in drawn}) > _MANY:
                drawn, label = _gains(drawn), f"{metric}, difference from {ALONE}"
            blocks.append(
                curves(
                    f"{name}_{region}_{metric}",
                    drawn,
                    "noise",
                    "noise of the field, ppb",
                    metric,
                    "denoiser",
                    label=label,
                )
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
    told = []
    for metric in _LESS_IS_MORE:
        said = []
        for level in dict.fromkeys(float(one.case.varied["noise"]) for one in done):
            means = _means(done, "map", metric, level)
            others = [value for name, value in means.items() if name != ALONE]
            if ALONE in means and others:
                less = sum(value < (1.0 - _EQUAL) * means[ALONE] for value in others)
                more = sum(value > (1.0 + _EQUAL) * means[ALONE] for value in others)
                said.append(f"at {level:g} ppb less after {less} of {len(others)}, more after {more}")
        told.append(f"{metric.upper()} of the map beside that of {NETWORK} alone: {'; '.join(said)}.")
    told.append(
        f"What differs by less than {100.0 * _EQUAL:g} % counts as neither: alone, {NETWORK} is told the noise of the "
        "field, after a denoiser it estimates what is left. The poster's cascade harms a field without noise; its "
        "numbers are not known to us."
    )
    return " ".join(told)


def _gains(rows: Sequence[Row]) -> list[Row]:
    """Values less those without a denoiser at the same noise, where both are numbers; several heads by their means."""
    alone = values_by([row for row in rows if row["denoiser"] == ALONE], "noise")
    return [
        {**row, "value": float(row["value"]) - fmean(alone[str(row["noise"])])}
        for row in rows
        if not row["note"] and row["denoiser"] != ALONE and str(row["noise"]) in alone
    ]


def _means(done: Sequence[Done], region: str, metric: str, level: float) -> dict[str, float]:
    """The mean of a metric over heads by denoiser, the best first."""
    values = values_by(rows_of(done, region=region, metric=metric, noise=level), "denoiser")
    sign = 1.0 if metric in _LESS_IS_MORE else -1.0
    means = {name: fmean(found) for name, found in values.items()}
    return dict(sorted(means.items(), key=lambda item: sign * item[1]))
