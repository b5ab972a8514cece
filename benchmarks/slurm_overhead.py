"""Seconds that a job costs beside what it computes, by our plugin for SLURM and by Nipype's own, in one run.

    python -m benchmarks.slurm_overhead --jobs 8

starts a cluster of this machine (see `tests/cluster/local_slurm.py`) and runs nodes that do nothing, one after another
as a chain and all at once, prints a Markdown table, and ends the cluster. Python's start is in all of them alike.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from nipype import Node, Workflow
from nipype.interfaces.utility import Merge

from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import Machine, configure
from qsmflow.engines.resources import Need, ask
from qsmflow.engines.slurm.plugin import SLURMPlugin
from tests.cluster.local_slurm import LocalSlurm, missing


def graph(folder: Path, jobs: int, chain: bool) -> Workflow:
    """`jobs` nodes that pass a number on, or that have nothing to do with each other."""
    workflow = Workflow("overhead", base_dir=str(folder))
    nodes = [ask(Node(Merge(1, in1=[number]), f"node{number}"), Need(minutes=1)) for number in range(jobs)]
    workflow.add_nodes(nodes)
    if chain:
        for before, after in itertools.pairwise(nodes):
            workflow.connect([(before, after, [("out", "in1")])])
    return workflow


def seconds(folder: Path, jobs: int, chain: bool, ours: bool) -> float:
    """Wall time of a run, of a job."""
    workflow = graph(folder, jobs, chain)
    machine = Machine(1, 1.0, plugin="SLURM" if ours else "Nipype")
    configure(workflow, machine, folder / "crash")
    began = time.monotonic()
    if ours:
        settings = SLURM(start_minutes=1, local_minutes=0)
        workflow.run(plugin=SLURMPlugin(settings, folder / "slurm", lambda node, line: print(node, line)))
    else:
        workflow.run(plugin="SLURM", plugin_args={"sbatch_args": "--mem=800M --cpus-per-task=1"})
    return (time.monotonic() - began) / jobs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=8)
    args = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name, LocalSlurm(Path(name, "slurm")) as cluster:
        os.environ.update(cluster.environment)
        print("| plugin | s a job, chain | s a job, all at once |\n|---|---|---|")
        for plugin in ("qsmflow", "Nipype"):
            took = [
                seconds(Path(name, f"{plugin}{chain}"), args.jobs, chain, plugin == "qsmflow")
                for chain in (True, False)
            ]
            print(f"| {plugin} | {took[0]:.2f} | {took[1]:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
