"""The metrics of `qsmflow score` on a whole head."""

from __future__ import annotations

from benchmarks.harness import Case
from benchmarks.heads import TestHead
from qsmflow.core.metrics import METRICS, Metric


def _case(metric: Metric) -> Case:
    def run(head: TestHead) -> object:
        return metric.function(head.noisy, head.local, head.mask)

    return Case("metrics", metric.name, run)


CASES = [_case(metric) for metric in METRICS]
