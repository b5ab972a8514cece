"""The participant level: find, check, build, execute, report."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from networkx import ancestors
from nipype.pipeline.engine import Node, Workflow

import qsmflow
from qsmflow.bids.checks import check_head, check_layout
from qsmflow.bids.discovery import Discovery, discover
from qsmflow.bids.problems import Problem
from qsmflow.bids.series import Head
from qsmflow.bids.voxels import FactsCache
from qsmflow.bids.write import describe_dataset, write_text
from qsmflow.config import NETWORKS, Config
from qsmflow.engines.execute import Machine, Outcome, Watch, configure, execute, real_nodes
from qsmflow.engines.finished import finished_nodes
from qsmflow.engines.gpu import check_build, check_device, gpu_stages
from qsmflow.engines.lock import locked
from qsmflow.engines.resources import Need
from qsmflow.engines.slurm.array import need_of_task
from qsmflow.engines.slurm.checks import check_cluster
from qsmflow.engines.work import bind
from qsmflow.errors import InputError, QsmflowError
from qsmflow.interfaces.derivatives import SaveDerivative
from qsmflow.nets.weights import check_settings, with_absolute_weights
from qsmflow.reports.boilerplate import write_citation
from qsmflow.reports.record import (
    NodeRecord,
    RunRecord,
    citation_name,
    of_subject,
    record_path,
    records_of_heads,
    write_record,
)
from qsmflow.reports.subject import write_subject_report
from qsmflow.settings import to_toml, version_line

from .base import init_qsmflow_wf, methods_sentences


@dataclass(frozen=True)
class Request:
    """What a user asks of `qsmflow run`."""

    bids_dir: Path
    out_dir: Path
    work_dir: Path
    settings: Config
    machine: Machine
    threads: int = 1
    gpu: tuple[str, ...] = ("none",)
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    filters: Mapping[str, Any] | None = None
    command: str = ""


@dataclass(frozen=True)
class Plan:
    """What a request comes to: the heads that can be processed, and every reason why others cannot."""

    heads: tuple[Head, ...]
    problems: tuple[Problem, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the subjects that can be processed, without ``sub-``."""
        return tuple(dict.fromkeys(head.entities["sub"] for head in self.heads))

    @property
    def stopped(self) -> tuple[Problem, ...]:
        """The problems that keep something from being processed."""
        return tuple(problem for problem in self.problems if problem.stops)


def make_plan(request: Request, *, remember: bool = True) -> Plan:
    """Discover and check everything that `request` selects, before anything is computed.

    A fault of one subject keeps that subject out; a fault of the request or of the whole dataset is raised. Unless told
    not to `remember`, it writes down in the work folder what it found in the files, which need not be read again then.
    """
    check_settings(request.settings)
    check_layout(request.bids_dir, request.out_dir, request.participants)
    found: Discovery = discover(
        request.bids_dir,
        participants=request.participants,
        sessions=request.sessions,
        orientation_entity=request.settings.orientation_entity,
        derivatives=request.derivatives,
        filters=dict(request.filters) if request.filters else None,
    )
    problems = list(found.problems)
    heads = []
    cache = FactsCache(request.work_dir / "checked.json")
    for head in found.heads:
        own = check_head(head, request.settings, cache=cache, threads=request.threads)
        problems += own
        if not any(problem.stops for problem in own):
            heads.append(head)
    if heads and remember:
        cache.save()
    broken = {problem.subject for problem in problems if problem.stops and not problem.series}
    usable = tuple(head for head in heads if head.entities["sub"] not in broken)
    return Plan(usable, tuple(problems))


def stages_on_gpu(request: Request) -> frozenset[str]:
    """The stages of `request` that are to compute on a GPU."""
    able = (*NETWORKS, "denoiser")
    settings = request.settings
    run = [name for name in able if name in settings.inversion or (name, settings.denoise) == ("denoiser", "network")]
    return gpu_stages(request.gpu, able, run)


def check_machine(request: Request) -> None:
    """Refuse a `request` for devices or partitions that are not there, or devices that torch here cannot use."""
    stages = stages_on_gpu(request)
    if request.machine.plugin == "SLURM":
        check_build(stages)
        check_cluster(request.machine.slurm, request.machine.cluster, gpus=bool(stages))
    else:
        check_device(stages)


def build(request: Request, plan: Plan) -> Any:
    """The graph of `plan`."""
    return init_qsmflow_wf(
        heads=plan.heads,
        settings=request.settings,
        out_dir=request.out_dir.absolute(),
        work_dir=request.work_dir.absolute(),
        source_uri=_source_uri(_datasets(request)),
        threads=request.threads,
        gpu=stages_on_gpu(request),
    )


def finished(request: Request, workflow: Any) -> frozenset[str]:
    """Full names of the nodes of `workflow`, as `build` makes it, that a run of `request` would find finished."""
    configure(workflow, request.machine, request.out_dir / "logs")
    return finished_nodes(workflow)


def needs_of_subjects(
    request: Request, plan: Plan, *, cpus: int | None = None, memory_gb: float | None = None
) -> dict[str, Need]:
    """What a task asks that runs all of a subject, by label; `cpus` and `memory_gb` are as in `need_of_task`."""
    subjects = _subjects_of_heads(plan)
    nodes: dict[str, list[Need]] = {subject: [] for subject in plan.subjects}
    for node in real_nodes(build(request, plan)):
        nodes[subjects[node.fullname.split(".")[1]]].append(node.need)
    return {subject: need_of_task(needs, cpus=cpus, memory_gb=memory_gb) for subject, needs in nodes.items()}


def run_participants(
    request: Request, plan: Plan, watch: Watch | None = None
) -> tuple[Outcome, tuple[Path, ...], RunRecord]:
    """Execute `plan` and write derivatives, reports, methods text and the record of the run.

    Returns
    -------
    outcome, reports, record
        What the nodes did, the subjects' HTML files, and what was written to ``logs``.

    Raises
    ------
    InputError
        Nothing can be processed.
    LockedError
        Another run is at work on one of the subjects.
    UsageError
        The work folder belongs to another output folder.
    """
    if not plan.heads:
        reason = str(plan.stopped[0]) if plan.stopped else f"{request.bids_dir}: no series to process"
        raise InputError(reason)
    bind(request.work_dir, request.out_dir)
    with locked(request.out_dir / "logs" / "locks", [f"sub-{subject}" for subject in plan.subjects]):
        return _run_locked(request, plan, watch)


def _run_locked(request: Request, plan: Plan, watch: Watch | None) -> tuple[Outcome, tuple[Path, ...], RunRecord]:
    describe_dataset(request.out_dir, "qsmflow derivatives", sources=_datasets(request))
    record = start_record(request, plan)
    write_text(record_path(request.out_dir, record).with_suffix(".toml"), record.toml)
    workflow = build(request, plan)
    own = citation_name(record)
    write_methods(request, workflow, "This run did not end: what follows is what it was to do.", own)
    before, nodes = records_of_heads(request.out_dir), real_nodes(workflow)
    # should the run be killed, this stays
    write_record(request.out_dir, replace(record, derivatives=_derivatives(request, plan, nodes)))
    outcome = execute(workflow, request.machine, request.out_dir / "logs", watch)
    write_methods(request, workflow, _caveat(outcome, plan), own)
    done = {*outcome.executed, *outcome.cached} - _stale(workflow, outcome)
    record = replace(
        record,
        finished=_now(),
        executed=len(outcome.executed),
        cached=len(outcome.cached),
        nodes=_nodes(nodes, outcome),
        derivatives=_derivatives(request, plan, [node for node in nodes if node.fullname in done]),
        errors=tuple((f.node, f"{f.message} ({f.crash_file})") for f in outcome.failed),
    )
    now = {**before, **dict.fromkeys(record.derivatives, record)}
    write_record(request.out_dir, record)
    news = bool(outcome.executed or outcome.failed)
    reports = tuple(
        _report(request.out_dir, subject, record, now, news or _is_other(record, of_subject(before, subject)))
        for subject in plan.subjects
    )
    return outcome, reports, record


def _nodes(nodes: Iterable[Node], outcome: Outcome) -> tuple[NodeRecord, ...]:
    """What those of `nodes` took that were executed."""
    return tuple(
        NodeRecord(
            node.fullname,
            round(outcome.seconds[node.fullname], 2),
            round(node.need.memory_gb, 3),
            outcome.peak_gb.get(node.fullname),
        )
        for node in nodes
        if node.fullname in outcome.seconds
    )


def _derivatives(request: Request, plan: Plan, nodes: Iterable[Node]) -> dict[str, tuple[str, ...]]:
    """What `nodes` keep, by the name of the head; see `RunRecord`."""
    heads = {head.name.replace("-", "_"): head.name for head in plan.heads}
    kept: dict[str, list[str]] = {name: [] for name in heads.values()}
    for node in nodes:
        if isinstance(node.interface, SaveDerivative):
            path = Path(node.inputs.out_path).relative_to(request.out_dir.absolute())
            kept[heads[node.fullname.split(".")[1]]].append(path.as_posix())
    return {name: tuple(sorted(paths)) for name, paths in kept.items()}


def _stale(workflow: Workflow, outcome: Outcome) -> set[str]:
    """Nodes whose results of an earlier run stand, but not what these were made from; only faults leave any."""
    if not outcome.failed:
        return set()
    graph = workflow._create_flat_graph()
    same = set(outcome.cached)
    nodes = {node.fullname for node in real_nodes(workflow)}
    return {
        node.fullname
        for node in graph.nodes
        if node.fullname in same and {one.fullname for one in ancestors(graph, node)} & nodes - same
    }


def _is_other(record: RunRecord, before: Mapping[str, RunRecord]) -> bool:
    """Whether `record` tells of other maps or settings than the runs `before` it, by head, whatever it executed.

    A run that was killed wrote no report of its own.
    """
    return any(
        not earlier.finished or (record.derivatives[head], record.toml) != (earlier.derivatives[head], earlier.toml)
        for head, earlier in before.items()
        if head in record.derivatives
    )


def _report(out_dir: Path, subject: str, record: RunRecord, records: Mapping[str, RunRecord], news: bool) -> Path:
    """The subject's report, made again unless nothing happened since it was."""
    path = out_dir / f"sub-{subject}.html"
    return write_subject_report(out_dir, subject, record, records) if news or not path.exists() else path


def write_methods(request: Request, workflow: Any, caveat: str, *names: str) -> Path:
    """Write the methods text of `workflow` to ``logs``, as ``CITATION.md`` and by other `names`; return the first.

    `caveat` says what of it did not run.
    """
    sentences = methods_sentences(workflow)
    written = [write_citation(request.out_dir, sentences, name, caveat) for name in ("CITATION.md", *names)]
    return written[0][0]


def _caveat(outcome: Outcome, plan: Plan) -> str:
    """What of a run that ended the methods text must not claim; empty where all of it ran."""
    if not outcome.failed:
        return ""
    subjects = _subjects_of_heads(plan)
    failed = dict.fromkeys(f"sub-{subjects[failure.node.split('.')[1]]}" for failure in outcome.failed)
    return f"Part of this run failed ({', '.join(failed)}): there, what follows is what it was to do."


def failed_subjects(outcome: Outcome, plan: Plan) -> dict[str, list[str]]:
    """What went wrong, by subject: the messages of failed nodes and the problems that kept series out."""
    faults: dict[str, list[str]] = {}
    for problem in plan.stopped:
        faults.setdefault(problem.subject, []).append(str(problem))
    names = _subjects_of_heads(plan)
    for failure in outcome.failed:
        subject = names[failure.node.split(".")[1]]
        faults.setdefault(subject, []).append(f"{failure.node}: {failure.message} (see {failure.crash_file})")
    return faults


def _subjects_of_heads(plan: Plan) -> dict[str, str]:
    """Labels of the subjects, by the names that their heads have in the graph."""
    return {head.name.replace("-", "_"): head.entities["sub"] for head in plan.heads}


def start_record(request: Request, plan: Plan) -> RunRecord:
    """The record of a run that begins now."""
    found = tuple(f"{head.name}: {len(head.series)} series" for head in plan.heads)
    skipped = tuple((f"sub-{problem.subject}", str(problem)) for problem in plan.stopped)
    return RunRecord(
        command=request.command or " ".join(sys.argv),
        started=_now(),
        version=qsmflow.__version__,
        found=found,
        skipped=skipped,
        toml=f"{version_line(qsmflow.__version__)}\n{to_toml(with_absolute_weights(request.settings))}",
    )


def clean(request: Request, plan: Plan) -> None:
    """Remove the intermediate files of the subjects of `plan`; other runs may be at work on others beside them."""
    for name in _subjects_of_heads(plan):
        jobs = (request.work_dir / "slurm" / "jobs").glob(f"qsmflow.{name}.*")
        for folder in (request.work_dir / "qsmflow" / name, *jobs):
            shutil.rmtree(folder, ignore_errors=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _datasets(request: Request) -> dict[str, Path]:
    """Folders by the names of BIDS URIs: ``raw`` is the input, the others go by what they or a file in them supply."""
    given = {name: path if path.is_dir() else path.parent for name, path in request.derivatives.items()}
    return {"raw": request.bids_dir, **given}


def _source_uri(datasets: Mapping[str, Path]) -> Callable[[Path], str]:
    """Name files as BIDS URIs."""
    roots = {name: path.absolute() for name, path in datasets.items()}

    def uri(path: Path) -> str:
        for name, root in roots.items():
            if path.absolute().is_relative_to(root):
                return f"bids:{name}:{path.absolute().relative_to(root)}"
        raise QsmflowError(f"{path}: lies in none of the datasets given")

    return uri
