"""What a job runs: one node; its outcome is left in a file of its own, whole or not at all.

``python -m qsmflow.engines.slurm.job NODE.pklz`` ends with 0 wherever an outcome was left, whatever that is; where it
cannot be, with the number of the system's error, as SLURM's exit code is then all that tells of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from traceback import format_exc
from typing import Any

from qsmflow.bids.write import write_json


def run(file: Path) -> None:
    """Run the node in `file` and leave its outcome."""
    from nipype import config
    from nipype.utils.filemanip import loadpkl

    os.environ.setdefault("LOGNAME", "qsmflow")
    outcome = None
    try:
        task: dict[str, Any] = loadpkl(str(file))
        outcome = Path(task["outcomes"]) / f"{os.environ['SLURM_JOB_ID']}.json"
        node = task["node"]
        config.update_config(node.config)
        wait_for_inputs(node, task["settle"])
        node.run()
        trace = None
    except Exception:
        trace = format_exc()
        if outcome is None:
            raise
    write_json(outcome, {"traceback": trace})


def wait_for_inputs(node: Any, seconds: float) -> None:
    """Wait until the results that `node` takes, which other machines wrote, are seen here.

    A listing of their folder makes a shared disk look again.
    """
    deadline = time.monotonic() + seconds
    for path in {Path(source) for source, _ in node.input_source.values()}:
        while not path.exists() and time.monotonic() < deadline:
            if path.parent.is_dir():
                list(path.parent.iterdir())
            time.sleep(0.5)


def read_outcome(path: Path) -> list[str] | None:
    """The lines of the error that `run` left, None where the node came through.

    Raises
    ------
    OSError, ValueError
        It is listed and not to be read yet.
    """
    trace = json.loads(path.read_text())["traceback"]
    return None if trace is None else trace.splitlines(keepends=True)


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]))
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(error.errno or 1)
