"""The unit other costs are given in: one pair of real FFTs, float32."""

import pytest
import torch


@pytest.mark.parametrize("shape", [(160, 160, 160), (164, 204, 204)], ids=str)
def test_fft_pair(benchmark, shape):
    volume = torch.randn(shape)
    benchmark(lambda: torch.fft.irfftn(torch.fft.rfftn(volume), s=shape))
