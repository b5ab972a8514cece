"""The graph of a small dataset, which is built and not executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qsmflow.bids.discovery import discover
from qsmflow.config import Config
from qsmflow.workflows.base import init_qsmflow_wf
from tests.builders import make_bids


def graph(tmp_path: Path, settings: Config | None = None, supplied: dict[str, Path] | None = None, **data: Any) -> Any:
    """The graph of a small dataset."""
    bids = tmp_path / "bids"
    if not bids.exists():
        make_bids(bids, **data)
    settings = settings or Config()
    found = discover(bids, derivatives=supplied or {}, orientation_entity=settings.orientation_entity)
    assert not [problem for problem in found.problems if problem.stops]
    return init_qsmflow_wf(
        heads=found.heads,
        settings=settings,
        out_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        source_uri=lambda path: f"bids:raw:{path.name}",
        threads=2,
    )
