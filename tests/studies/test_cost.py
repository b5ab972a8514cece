"""What a computation takes is told rightly."""

from __future__ import annotations

import torch

from qsmflow.studies.cost import peak, reset_peak


def test_memory_is_counted_again_where_it_was_freed_before() -> None:
    parts = [torch.ones(1_000_000) for _ in range(60)]  # 240 MB, in pieces that the C library keeps
    del parts
    for _ in range(2):
        before = reset_peak()
        parts = [torch.ones(1_000_000) for _ in range(30)]
        del parts
        assert 100e6 < peak() - before < 160e6
