"""``qsmflow slurm BIDS OUT participant``: a job array with one subject a task, and the group step behind it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cluster import add_slurm_arguments
from .plan import plan_of
from .progress import say
from .run import add_run_arguments, request_from, validate_bids
from .selection import add_label_argument


def add_parser(subparsers: Any) -> None:
    """Register the verb: the flags of ``run``, and what there is to say of the script."""
    parser = subparsers.add_parser(
        "slurm",
        help="write a job array for SLURM: one subject a task, then the group",
        description="Check a dataset as run does, and write scripts for sbatch: a job array whose tasks are one "
        "subject each, and the group step, which waits for all of them.",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    _add_script_arguments(parser.add_argument_group("script"))
    # it is sized for a job, not for the machine where it is written; the tasks run their nodes as run does
    parser.set_defaults(func=run, plugin="SLURM")


def _add_script_arguments(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--script",
        type=Path,
        metavar="FILE",
        help="the script of the array (default: OUT/logs/slurm.sh); others lie beside it",
    )
    group.add_argument("--submit", action="store_true", help="submit them at once")
    group.add_argument(
        "--program",
        default=f"{sys.executable} -m qsmflow",
        metavar="WORDS",
        help="what starts qsmflow on the cluster, such as 'apptainer exec qsmflow.sif qsmflow' (default: this one)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the scripts, and submit them where that is asked."""
    from qsmflow.bids.write import write_text
    from qsmflow.engines.slurm import array
    from qsmflow.engines.slurm.checks import check_cluster, check_needs
    from qsmflow.engines.slurm.commands import submit
    from qsmflow.engines.slurm.task import common_name
    from qsmflow.workflows import participant

    request = request_from(args)
    plan = plan_of(request)
    validate_bids(args)
    settings = request.machine.slurm
    needs = participant.needs_of_subjects(request, plan)
    logs = request.out_dir / "logs" / "slurm"
    logs.mkdir(parents=True, exist_ok=True)
    common: dict[str, Any] = {
        "name": common_name(request.out_dir),
        "program": args.program,
        "settings": settings,
        "logs": logs,
        "folder": Path.cwd(),
    }
    # all of the dataset has been validated, which each task would do again
    words = [*run_words(args.words[1:]), *([] if args.skip_bids_validation else ["--skip-bids-validation"])]
    first = (args.script or request.out_dir / "logs" / "slurm.sh").absolute()
    texts = {}
    for number, some in enumerate(array.in_arrays(needs), 1):
        path = first if number == 1 else first.with_stem(f"{first.stem}-{number}")
        texts[path] = array.array_script(some, words, **common)
    group = [str(args.bids_dir), str(args.out_dir), "group"]
    texts[first.with_stem(f"{first.stem}-group")] = array.group_script(group, subjects=len(needs), **common)
    for path, text in texts.items():
        write_text(path, text)
    say(f"{len(needs)} tasks, and the group step behind them")
    if args.submit:
        cluster = request.machine.cluster
        check_cluster(settings, cluster, gpus=any(need.gpus for need in needs.values()))
        check_needs(settings, cluster, {f"sub-{subject}": need for subject, need in needs.items()})
        for path in texts:
            say(f"{path} submitted as job {submit(path, [])}")
    else:
        say(f"submit them by: {'; '.join(shlex.join(['sbatch', str(path)]) for path in texts)}")
    return 1 if plan.stopped else 0


def run_words(words: Sequence[str]) -> list[str]:
    """The arguments that a task gives to ``run``: `words` without those of the script, of SLURM and of the subjects."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_script_arguments(parser)
    add_slurm_arguments(parser)
    add_label_argument(parser, "participant")
    return parser.parse_known_args(words)[1]
