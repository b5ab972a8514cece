"""A small run on SLURM: one node computed here, one as a job behind a gate, and one here that keeps its map."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nipype import Node, Workflow

from qsmflow.cli.main import guarded
from qsmflow.cli.progress import Progress, say
from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import Machine, execute
from qsmflow.engines.resources import Need, ask
from qsmflow.interfaces.derivatives import SaveDerivative, Supplied
from qsmflow.interfaces.inversion import TKD
from tests.cluster.held import HeldTKD


def graph(folder: Path, args: argparse.Namespace) -> Workflow:
    """``supplied``, ``tkd`` and ``save``; with `broken` also a job that fails at once."""
    mask = str(folder / "mask.nii")
    field = ask(Node(Supplied(in_file=str(folder / "local.nii")), "supplied"), Need())
    held = HeldTKD(mask=mask, b0_dir=(0, 0, 1), gate=str(folder / "gate"), ballast=args.ballast)
    need = Need(memory_gb=args.memory, gpus=args.gpus, minutes=0.01)
    inverse = ask(Node(held, "tkd"), need)
    kept = ask(Node(SaveDerivative(out_path=str(folder / "out" / "chi.nii.gz"), sidecar={}), "save"), Need())
    workflow = Workflow("run", base_dir=str(args.work or folder / "work"))
    workflow.connect(
        [
            (field, inverse, [("out_file", "in_file")]),
            (inverse, kept, [("out_file", "in_file"), ("out_report", "in_report")]),
        ]
    )
    if args.broken:
        broken = TKD(in_file=str(folder / "broken.nii"), mask=mask, b0_dir=(0, 0, 1))
        workflow.add_nodes([ask(Node(broken, "broken"), need)])
    return workflow


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--memory", type=float, default=1.5)
    parser.add_argument("--ballast", type=int, default=0)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--retries", type=int, default=1)
    parser.add_argument("--extra", default="")
    parser.add_argument("--broken", action="store_true")
    args = parser.parse_args()
    settings = SLURM(
        gpu_partition="gpu", poll=1, settle=5, start_minutes=0, local_minutes=0, retries=args.retries, extra=args.extra
    )
    machine = Machine(1, 1.0, plugin="SLURM", slurm=settings, stop_on_first_crash=args.broken)
    with Progress() as progress:
        outcome = execute(graph(args.folder, args), machine, args.folder / "crash", progress)
    for failure in outcome.failed:
        say(f"{failure.node} failed: {failure.message}", error=True)
    say(f"{len(outcome.executed)} nodes executed, {len(outcome.cached)} found finished")
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
