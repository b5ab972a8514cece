"""The metrics of `qsmflow score` on a whole head."""

import pytest
import torch

from qsmflow.core.metrics import METRICS


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric(benchmark, metric):
    truth = torch.randn(160, 160, 160)
    chi = truth + 0.1 * torch.randn_like(truth)
    benchmark.pedantic(metric.function, args=(chi, truth, truth > 0), rounds=3)
