"""``qsmflow study NAME``: the tables of the papers, each by one command."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path

from qsmflow.cli.progress import Tally, say
from qsmflow.errors import UsageError
from qsmflow.studies import catalogue


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    listed = "\n".join(f"  {name:16s}{catalogue.about(name).splitlines()[0]}" for name in catalogue.NAMES)
    parser = subparsers.add_parser(
        "study",
        help="a table of a paper: methods against known truth",
        description="A sweep of methods over problems with a known truth, as tidy TSV, Markdown, figures and a page. "
        "A rerun computes only what changed.",
        epilog=f"studies:\n{listed}\n  {'all':16s}All of them, one after the other.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", choices=(*catalogue.NAMES, "all"), help="which study; listed below")
    parser.add_argument("--quick", action="store_true", help="coarse voxels, fewer cases: minutes, not hours")
    parser.add_argument("--out", type=Path, default=Path("studies"), metavar="DIR", help="folder (default: studies)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="output of 'qsmflow run' on several orientations, not simulated heads"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="label map that heads are simulated from")
    parser.add_argument("--brain", type=Path, metavar="FILE", help="brain mask on the grid of --labels")
    parser.add_argument(
        "--voxel-size", type=float, metavar="MM", help="of simulated heads (default: 1, with --quick 3)"
    )
    parser.add_argument("--worker", choices=("cf", "slurm"), default="cf", help="processes here, or jobs (default: cf)")
    parser.add_argument("--nprocs", type=int, metavar="N", help="processes of cf (default: CPUs this process may use)")
    parser.add_argument("--sbatch", default="", metavar="WORDS", help="for sbatch, such as '--partition=cpu --mem=8G'")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the study; returns 0 and raises `UsageError`, `InputError` or `QsmflowError` where it cannot."""
    if args.nprocs is not None and args.nprocs < 1:
        raise UsageError(f"--nprocs {args.nprocs}: give at least 1")
    if args.voxel_size is not None and not 0.4 <= args.voxel_size <= 8.0:
        raise UsageError(f"--voxel-size {args.voxel_size:g}: give 0.4 to 8 mm")
    if args.sbatch and args.worker != "slurm":
        raise UsageError("--sbatch: is for --worker slurm alone; leave it out")
    if args.data is not None and not args.data.is_dir():
        raise UsageError(f"--data {args.data}: no such folder; give the output of 'qsmflow run'")
    if args.brain is not None and args.labels is None:
        raise UsageError("--brain: is of a label map; give --labels too")
    head = tuple(path.absolute() for path in (args.labels, args.brain) if path is not None)
    for path in head:
        if not path.is_file():
            raise UsageError(f"{path}: no such file; give a label map, and its brain mask")
    from qsmflow.engines.allowed import available_cpus
    from qsmflow.studies.conduct import check, conduct
    from qsmflow.studies.problems import study_head
    from qsmflow.studies.study import Request

    names = catalogue.NAMES if args.name == "all" else (args.name,)
    request = Request(args.quick, args.data and args.data.absolute(), head, args.voxel_size)
    for name in names:
        check(name, request)
    if head:  # what cannot be used is found here, not by the first case
        study_head(head, request.voxel)
    _check_writable(args.out)
    for name in names:
        with Tally(name) as tally:
            page = conduct(
                name,
                request,
                args.out.absolute(),
                command=shlex.join(["qsmflow", *args.words]),
                worker=args.worker,
                processes=args.nprocs or available_cpus(),
                sbatch=args.sbatch,
                total=tally.total,
                tell=tally,
            )
        say(f"study {name}: {page}")
    return 0


def _check_writable(out: Path) -> None:
    """Make the folder `out`; raises `UsageError` where that, or a file in it, cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror}); choose another folder") from error
