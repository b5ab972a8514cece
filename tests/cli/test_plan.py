"""The tree of a dry run."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from qsmflow.cli.plan import _tree


@pytest.mark.parametrize(
    ("term", "encoding", "plain"), [("xterm", "utf-8", False), ("dumb", "utf-8", True), ("xterm", "latin-1", True)]
)
def test_terminals_that_know_no_lines_get_plain_guides(
    monkeypatch: pytest.MonkeyPatch, term: str, encoding: str, plain: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    need = SimpleNamespace(cpus=1, memory_gb=2.0, minutes=3, gpus=0)
    nodes = [SimpleNamespace(fullname=f"qsmflow.sub_01.{name}", need=need) for name in ("fit", "unwrap")]
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=out, soft_wrap=True).print(_tree(nodes, frozenset()))  # type: ignore[arg-type]
    out.seek(0)
    shown = out.read()
    assert "1 cpu, 2.0 GB, 3 min" in shown and shown.isascii() is plain
