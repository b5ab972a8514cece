"""``qsmflow slurm BIDS OUT participant``: a job array with one subject a task."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cluster import add_slurm_arguments
from .plan import plan_of
from .progress import say
from .run import add_run_arguments, request_from
from .selection import add_label_argument


def add_parser(subparsers: Any) -> None:
    """Register the verb: the flags of ``run``, and what there is to say of the script."""
    parser = subparsers.add_parser(
        "slurm",
        help="write a job array for SLURM: one subject a task",
        description="Check a dataset as run does, and write a script for sbatch whose tasks are one subject each.",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    _add_script_arguments(parser.add_argument_group("script"))
    # it is sized for a job, not for the machine where it is written; the tasks run their nodes as run does
    parser.set_defaults(func=run, plugin="SLURM")


def _add_script_arguments(group: argparse._ActionsContainer) -> None:
    group.add_argument("--script", type=Path, metavar="FILE", help="the script (default: OUT/logs/slurm.sh)")
    group.add_argument("--submit", action="store_true", help="submit it at once")
    group.add_argument(
        "--program",
        default=f"{sys.executable} -m qsmflow",
        metavar="WORDS",
        help="what starts qsmflow on the cluster, such as 'apptainer exec qsmflow.sif qsmflow' (default: this one)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the script, and submit it where that is asked."""
    from qsmflow.bids.write import write_text
    from qsmflow.engines.slurm.array import array_script
    from qsmflow.engines.slurm.checks import check_cluster, check_needs
    from qsmflow.engines.slurm.commands import submit
    from qsmflow.workflows import participant

    request = request_from(args)
    plan = plan_of(request)
    settings = request.machine.slurm
    needs = participant.needs_of_subjects(request, plan)
    logs = request.out_dir / "logs" / "slurm"
    logs.mkdir(parents=True, exist_ok=True)
    words = run_words(args.words[1:])
    text = array_script(needs, words, program=args.program, settings=settings, logs=logs, folder=Path.cwd())
    script = (args.script or request.out_dir / "logs" / "slurm.sh").absolute()
    write_text(script, text)
    say(f"{len(needs)} tasks: {script}")
    if args.submit:
        check_cluster(settings, gpus=any(need.gpus for need in needs.values()))
        check_needs(settings, {f"sub-{subject}": need for subject, need in needs.items()})
        say(f"submitted as job {submit(script, [])}")
    else:
        say(f"submit them by: sbatch {script}")
    return 1 if plan.stopped else 0


def run_words(words: Sequence[str]) -> list[str]:
    """The arguments that a task gives to ``run``: `words` without those of the script, of SLURM and of the subjects."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_script_arguments(parser)
    add_slurm_arguments(parser)
    add_label_argument(parser, "participant")
    return parser.parse_known_args(words)[1]
