"""``qsmflow slurm BIDS OUT participant``: a job array with one subject a task, and the group step behind it."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsmflow.errors import MissingProgramError, UsageError

from .cluster import TABLE, add_slurm_arguments
from .options import given
from .plan import plan_of
from .progress import say
from .run import add_run_arguments, request_from, validate_bids
from .selection import add_label_argument

if TYPE_CHECKING:
    from qsmflow.engines.slurm.commands import Partition
    from qsmflow.workflows.participant import Request

#: What starts this qsmflow, in words of the shell.
PROGRAM = shlex.join([sys.executable, "-m", "qsmflow"])


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
    parser.set_defaults(func=run)


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
        default=PROGRAM,
        metavar="WORDS",
        help="what starts qsmflow on the cluster, such as 'apptainer exec qsmflow.sif qsmflow' (default: this one)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the scripts, and submit them where that is asked.

    Raises
    ------
    UsageError
        A flag that is not of this verb, what the cluster does not have, or a script that cannot be written.
    """
    from qsmflow.engines.gpu import check_build
    from qsmflow.engines.slurm import array
    from qsmflow.engines.slurm.checks import check_cluster, check_needs
    from qsmflow.engines.slurm.commands import submit
    from qsmflow.engines.slurm.task import common_name
    from qsmflow.workflows import participant

    _check_flags(args)
    # sized for a job of the cluster, not for the machine where this is written; the tasks run their nodes as run does
    request = request_from(argparse.Namespace(**{**vars(args), "plugin": "SLURM"}))
    settings = request.machine.slurm
    if args.program == PROGRAM:  # another one brings its own torch
        check_build(participant.stages_on_gpu(request))
    cluster = _cluster(request, needed=args.submit and not args.dry_run)
    if cluster is not None:
        check_cluster(settings, cluster, gpus=bool(participant.stages_on_gpu(request)))
    plan = plan_of(request, remember=not args.dry_run)
    validate_bids(args)
    cpus = args.nprocs or given(args).get(TABLE, {}).get("cpus")
    needs = participant.needs_of_subjects(request, plan, cpus=cpus, memory_gb=args.mem)
    if cluster is not None:
        named = {f"sub-{subject}": need for subject, need in needs.items()}
        check_needs(settings, cluster, {**named, "group": array.need_of_group(len(needs))})
    logs = request.out_dir / "logs" / "slurm"
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
    if first.is_dir():
        raise UsageError(f"--script {first}: is a folder; name a file in it")
    texts = {}
    for number, some in enumerate(array.in_arrays(needs), 1):
        path = first if number == 1 else first.with_stem(f"{first.stem}-{number}")
        texts[path] = array.array_script(some, words, **common)
    group = [str(args.bids_dir), str(args.out_dir), "group"]
    texts[first.with_stem(f"{first.stem}-group")] = array.group_script(group, subjects=len(needs), **common)
    if args.dry_run:
        for path, text in texts.items():
            say(f"{path}:")
            print(text)
    else:
        _write(first, texts, logs)
    say(f"{len(needs)} tasks, and the group step behind them")
    if args.submit and not args.dry_run:
        for path in texts:
            say(f"{path} submitted as job {submit(path, [])}")
    else:
        say(f"submit them by: {'; '.join(shlex.join(['sbatch', str(path)]) for path in texts)}")
    return 1 if plan.stopped else 0


def _check_flags(args: argparse.Namespace) -> None:
    """Refuse the flags of ``run`` that make no sense of a task."""
    if args.plugin != "MultiProc":
        raise UsageError(
            f"--plugin {args.plugin}: each task computes its nodes in processes where it is; leave it out, or take "
            "qsmflow run --plugin SLURM, of which each node is a job"
        )
    for flag in ("reports_only", "boilerplate_only", "write_graph"):
        if getattr(args, flag):
            raise UsageError(f"--{flag.replace('_', '-')}: is for one process, not for tasks; give it to qsmflow run")


def _cluster(request: Request, *, needed: bool) -> tuple[Partition, ...] | None:
    """What the cluster has; None, and a line that says so, where it cannot be asked and is not `needed` at once."""
    from qsmflow.engines.slurm.commands import SlurmError

    try:
        return request.machine.cluster
    except (MissingProgramError, SlurmError) as error:
        if needed:
            raise
        why = "there is no sinfo here" if isinstance(error, MissingProgramError) else str(error)
        say(f"partitions, sizes and time limits were not checked: {why}")
        return None


def _write(first: Path, texts: Mapping[Path, str], logs: Path) -> None:
    """Write `texts`, of which `first` is the first, make the folder `logs`, and remove what a larger cohort left."""
    from qsmflow.bids.write import write_text

    path = logs
    try:
        logs.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); take another OUT or --script") from error
    numbered = re.compile(rf"{re.escape(first.stem)}-\d+{re.escape(first.suffix)}")
    for path in first.parent.iterdir():
        if not numbered.fullmatch(path.name) or path in texts or not path.is_file():
            continue
        if "written by qsmflow" in path.read_text(errors="replace"):
            path.unlink()


def run_words(words: Sequence[str]) -> list[str]:
    """The arguments that a task gives to ``run``: `words` without those of the script, of SLURM and of the subjects.

    CPUs and memory are those that the job is given, which ``run`` finds by itself.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_script_arguments(parser)
    add_slurm_arguments(parser)
    add_label_argument(parser, "participant")
    for flag in ("--nprocs", "--mem"):
        parser.add_argument(flag)
    parser.add_argument("--dry-run", action="store_true")
    return parser.parse_known_args(words)[1]
