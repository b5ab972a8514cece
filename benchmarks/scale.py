"""How long a large dataset takes before its first node runs, and what memory.

    python -m benchmarks.scale --subjects 1000

copies the files of one simulated subject under many names, and prints the seconds for finding and checking all of them,
for the graph, and for what Nipype makes of it before it executes, with the peak of memory after each.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.datasets import copies
from qsmflow.config import Config
from qsmflow.engines.execute import Machine, real_nodes
from qsmflow.workflows.participant import Request, build, make_plan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bids, out = Path(name, "bids"), Path(name, "out")
        copies(bids, args.subjects, "--voxel-size", "16", "--te", "0.01", "0.02")
        print("| step | s | s of the processor | peak so far, GB |\n|---|---|---|---|")
        request = Request(bids, out, out / "work", Config(), Machine(1, 1.0))
        began = time.monotonic(), time.process_time()

        def told(step: str) -> None:
            nonlocal began
            wall, busy = time.monotonic() - began[0], time.process_time() - began[1]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
            print(f"| {step} | {wall:.1f} | {busy:.1f} | {peak:.2f} |", flush=True)
            began = time.monotonic(), time.process_time()

        plan = make_plan(request)
        told(f"found and checked, {len(plan.heads)} heads")
        workflow = build(request, plan)
        told("graph")
        nodes = len(real_nodes(workflow))
        told(f"flat, {nodes} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
