"""``qsmflow run BIDS OUT participant`` and ``… group``: the BIDS App."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from qsmflow.errors import InputError
from qsmflow.settings import origins

from .cluster import add_slurm_arguments, slurm_from
from .group import run_group
from .plan import plan_of, show_plan
from .progress import Progress, say
from .selection import add_selection_arguments, selection_from
from .settings import add_settings_arguments, layers_from, settings_from


def add_parser(subparsers: Any) -> None:
    """Register the verb and its flags."""
    parser = subparsers.add_parser(
        "run",
        help="the BIDS App: maps, COSMOS and reports of a dataset",
        description="Compute susceptibility maps, and COSMOS of several orientations, for a BIDS dataset.",
    )
    add_run_arguments(parser, levels=("participant", "group"))
    parser.set_defaults(func=run)


def add_run_arguments(parser: argparse.ArgumentParser, levels: tuple[str, ...] = ("participant",)) -> None:
    """Add everything that can be said of a run to `parser`; `request_from` reads it."""
    parser.add_argument("bids_dir", type=Path, metavar="BIDS", help="the BIDS dataset")
    parser.add_argument("out_dir", type=Path, metavar="OUT", help="the derivative dataset to write")
    parser.add_argument("level", choices=levels, help="level of the analysis")
    add_selection_arguments(parser)
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--nprocs",
        type=_positive,
        help="CPUs to use (default: all that this process may; with --plugin SLURM --slurm-cpus)",
    )
    machine.add_argument("--omp-nthreads", type=_positive, help="most threads of one node (default: nprocs)")
    machine.add_argument(
        "--mem", type=_gigabytes, metavar="GB", help="memory to use (default: nine tenths of what is free)"
    )
    machine.add_argument(
        "--plugin",
        choices=["MultiProc", "Linear", "SLURM"],
        default="MultiProc",
        help="how nodes are executed: in processes here, one after the other, or each as a job of a cluster",
    )
    machine.add_argument(
        "--gpu",
        nargs="+",
        default=["none"],
        metavar="STAGE",
        help="stages that compute on a GPU, or all, or none (default: none)",
    )
    machine.add_argument("-w", "--work-dir", type=Path, help="intermediate files, for resuming (default: OUT/work)")
    machine.add_argument("--clean-workdir", action="store_true", help="remove them after a run without fault")
    machine.add_argument("--stop-on-first-crash", action="store_true", help="stop everything when a node fails")
    machine.add_argument("--resource-monitor", action="store_true", help="record memory and CPU of every node")

    add_slurm_arguments(parser)
    other = parser.add_argument_group("other")
    other.add_argument(
        "--skip-bids-validation", action="store_true", help="do not run the BIDS validator where it is installed"
    )
    other.add_argument(
        "--dry-run",
        action="store_true",
        help="compute nothing; show each setting with where it comes from, and each node with what it asks for",
    )
    other.add_argument("--reports-only", action="store_true", help="make the reports again from the derivatives in OUT")
    other.add_argument("--boilerplate-only", action="store_true", help="write the methods text and compute nothing")
    other.add_argument("--write-graph", action="store_true", help="write the graph to OUT/logs/graph.dot")
    other.add_argument(
        "-v", "--verbose", action="count", default=0, help="tell every node; twice: nipype's own log as well"
    )

    add_settings_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks; the exit code says whether every subject came through."""
    from qsmflow.engines.execute import check_jobs
    from qsmflow.reports.record import record_path
    from qsmflow.workflows import participant

    if args.level == "group":
        return run_group(args)
    request = request_from(args)
    if args.reports_only:
        return _reports_only(request)
    participant.check_machine(request)
    plan = plan_of(request)
    validate_bids(args)
    if args.dry_run or args.boilerplate_only or args.write_graph:
        workflow = participant.build(request, plan)
        if args.write_graph:
            (request.out_dir / "logs").mkdir(parents=True, exist_ok=True)
            workflow.write_graph(str(request.out_dir / "logs" / "graph.dot"), graph2use="colored", format="dot")
        if args.boilerplate_only:
            text = participant.write_methods(request, workflow, "Nothing has run yet: what follows is what would.")
            say(f"methods text: {text}")
        if args.dry_run:
            show_plan(request.settings, origins(layers_from(args)), workflow, participant.finished(request, workflow))
            check_jobs(workflow, request.machine)
        if args.dry_run or args.boilerplate_only:
            return 1 if plan.stopped else 0
    with Progress(verbose=args.verbose) as progress:
        outcome, reports, record = participant.run_participants(request, plan, progress)
    faults = participant.failed_subjects(outcome, plan)
    say(f"{record.executed} nodes executed, {record.cached} found finished, {len(outcome.failed)} failed")
    for report in reports:
        say(f"report: {report}")
    say(f"maps: {request.out_dir}")
    say(f"methods text: {request.out_dir / 'logs' / 'CITATION.md'}")
    say(f"settings, for --config-file: {record_path(request.out_dir, record).with_suffix('.toml')}")
    for subject, messages in faults.items():
        for message in messages:
            say(f"sub-{subject} failed: {message}", error=True)
    if args.clean_workdir and not faults:
        participant.clean(request, plan)
    return 1 if faults else 0


def validate_bids(args: argparse.Namespace) -> None:
    """Have the BIDS validator look at the dataset, unless `args` say not to; raises `InputError` for what it finds."""
    from qsmflow.bids.validator import run_validator

    if not args.skip_bids_validation:
        say(run_validator(args.bids_dir.absolute()))


def _reports_only(request: Any) -> int:
    from qsmflow.reports.record import latest_records, records_of_heads
    from qsmflow.reports.subject import write_subject_report

    subjects = request.participants or [
        path.name[4:] for path in sorted(request.out_dir.glob("sub-*")) if path.is_dir()
    ]
    if not subjects:
        raise InputError(f"{request.out_dir}: no sub-* folder, so nothing to report; run without --reports-only first")
    runs, records = latest_records(request.out_dir), records_of_heads(request.out_dir)
    for subject in subjects:
        say(f"report: {write_subject_report(request.out_dir, subject, runs.get(subject), records)}")
    return 0


def request_from(args: argparse.Namespace) -> Any:
    """What `args` ask for, as `qsmflow.workflows.participant.Request`."""
    from qsmflow.engines.allowed import available_cpus, available_memory_gb
    from qsmflow.engines.execute import SHARE, Machine
    from qsmflow.workflows import participant

    selection = selection_from(args)
    slurm = slurm_from(args)
    nprocs = args.nprocs or (slurm.cpus if args.plugin == "SLURM" else available_cpus())
    return participant.Request(
        bids_dir=args.bids_dir.absolute(),
        out_dir=args.out_dir.absolute(),
        work_dir=(args.work_dir or args.out_dir / "work").absolute(),
        settings=settings_from(args),
        machine=Machine(
            nprocs=nprocs,
            memory_gb=args.mem or SHARE * available_memory_gb(),
            plugin=args.plugin,
            slurm=slurm,
            stop_on_first_crash=args.stop_on_first_crash,
            resource_monitor=args.resource_monitor,
            verbose=args.verbose > 1,
        ),
        threads=min(args.omp_nthreads or nprocs, nprocs),
        gpu=tuple(args.gpu),
        participants=selection.participants,
        sessions=selection.sessions,
        derivatives={name: path.absolute() for name, path in selection.derivatives.items()},
        filters=selection.filters,
        command=shlex.join(["qsmflow", *args.words]),
    )


def _gigabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of memory in GB; give a number such as 8")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text.strip()!r} is no whole number above zero")
    return int(text)
