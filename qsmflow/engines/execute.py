"""Running a graph on this machine, and telling what came of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing import active_children, set_forkserver_preload
from pathlib import Path
from typing import Any, Protocol

from nipype import config as nipype_config
from nipype.pipeline.engine import Node, Workflow
from nipype.pipeline.engine.utils import load_resultfile

from qsmflow.config.slurm import SLURM
from qsmflow.engines.finished import product_is_lost
from qsmflow.engines.gpu import visible_devices
from qsmflow.engines.local import LocalPlugin
from qsmflow.engines.progress import Reader
from qsmflow.engines.quiet import hush
from qsmflow.engines.slurm.checks import check_needs, check_no_jobs
from qsmflow.engines.slurm.commands import Partition, partitions
from qsmflow.engines.slurm.plugin import LOOK, SLURMPlugin
from qsmflow.engines.slurm.task import is_job

#: Of the memory that there is, what a run takes unless it is told.
SHARE = 0.9


@dataclass(frozen=True)
class Failure:
    """A node that failed: its full name, the last line of its error, and its crash file; None when none was written."""

    node: str
    message: str
    crash_file: Path | None


@dataclass(frozen=True)
class Outcome:
    """What one execution did: full names of the nodes by what happened to them, and what the executed ones took.

    `seconds` and `peak_gb` are by full name; the second holds what a resource monitor measured.
    """

    executed: tuple[str, ...]
    cached: tuple[str, ...]
    failed: tuple[Failure, ...]
    not_run: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_gb: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """What the graph may use: so many CPUs and so much memory here, or the cluster."""

    nprocs: int
    memory_gb: float
    plugin: str = "MultiProc"
    slurm: SLURM = field(default_factory=SLURM)
    stop_on_first_crash: bool = False
    resource_monitor: bool = False
    verbose: bool = False

    @cached_property
    def cluster(self) -> tuple[Partition, ...]:
        """What the cluster has; asked once.

        Raises
        ------
        MissingProgramError
            SLURM's programs are not installed here.
        SlurmError
            The cluster does not answer.
        """
        return partitions()


class Watch(Protocol):
    """Who is told how an execution goes on."""

    def begin(self, nodes: Sequence[str]) -> None:
        """These are the full names of all nodes."""

    def __call__(self, node: str, event: str) -> None:
        """The node of that full name came to a ``start``, an ``end`` or an ``exception``."""

    def tell(self, node: str, line: str) -> None:
        """How far the running node of that full name is."""

    def warn(self, node: str, line: str) -> None:
        """Something about that node, or the whole run where it is empty, that the user should read."""


def real_nodes(workflow: Workflow) -> list[Node]:
    """The nodes of `workflow` that compute, with full names; identity nodes only pass values on."""
    return [
        node for node in workflow._create_flat_graph().nodes if type(node.interface).__name__ != "IdentityInterface"
    ]


def node_folder(workflow: Workflow, node: Node) -> Path:
    """Where `node` keeps its results."""
    return Path(workflow.base_dir, *node.fullname.split("."))


def _forget_lost_products(workflow: Workflow, nodes: Sequence[Node]) -> None:
    """Make those of `nodes` run again whose derivative or sidecar somebody removed."""
    for node in nodes:
        if not product_is_lost(node):
            continue
        for stamp in node_folder(workflow, node).glob("_0x*.json"):
            stamp.unlink()


def check_jobs(workflow: Workflow, machine: Machine) -> None:
    """Refuse what would be a job of `workflow` and fits on no machine of the cluster, where `machine` is one.

    Raises
    ------
    UsageError
        A job asks for more than any machine, or its partition, has.
    """
    if machine.plugin == "SLURM":
        needs = {node.fullname: node.need for node in real_nodes(workflow)}
        jobs = {name: need for name, need in needs.items() if is_job(need, machine.slurm)}
        check_needs(machine.slurm, machine.cluster, jobs)


def execute(workflow: Workflow, machine: Machine, crash_dir: Path, watch: Watch | None = None) -> Outcome:
    """Run what is not finished of `workflow`; a failed node stops what depends on it and nothing else.

    Parameters
    ----------
    workflow
        With its ``base_dir`` set.
    machine
        Processes and memory to use.
    crash_dir
        Where a failed node leaves its text file.
    watch
        Told of every node that starts and ends, and how far those are that run.

    Raises
    ------
    UsageError
        A job fits on no machine of the cluster, or one that was left there computes a node that is to be computed here.
    KeyboardInterrupt
        The user interrupted, or SIGTERM came; no further node was begun, what is finished is kept, and no job of the
        run is left in the queue.
    """
    crash_dir.mkdir(parents=True, exist_ok=True)
    configure(workflow, machine, crash_dir)
    check_jobs(workflow, machine)
    nodes = real_nodes(workflow)
    if machine.plugin != "SLURM":
        check_no_jobs(_slurm_folder(workflow), [node.fullname for node in nodes])
    _forget_lost_products(workflow, nodes)
    started = time.time()
    if watch is not None:
        watch.begin([node.fullname for node in nodes])
    failed: list[str] = []
    began: dict[str, float] = {}
    took: dict[str, float] = {}

    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        if not interrupted:  # a second one would come between the first and the end of the jobs
            interrupted = True
            raise KeyboardInterrupt

    def status(node: Node, event: str) -> None:
        if interrupted:
            raise KeyboardInterrupt
        if event == "exception" and node.fullname not in failed:
            failed.append(node.fullname)
        if watch is not None:
            watch(node.fullname, event)
        if event == "start":
            began[node.fullname] = time.monotonic()
            reader.begin(node.fullname, node_folder(workflow, node))
        else:
            if node.fullname in began:  # a node that is found finished ends without a start
                took[node.fullname] = time.monotonic() - began[node.fullname]
            reader.end(node.fullname)

    reader = Reader(watch.tell if watch is not None else lambda node, line: None)
    gpus = any(node.is_gpu_node() for node in nodes)
    plugin, arguments = _plugin(workflow, machine, gpus, status, watch)
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {which: signal.signal(which, interrupt) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        with reader:
            workflow.run(plugin=plugin, plugin_args=arguments)
    except Exception:
        if not failed and not interrupted:
            raise
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
        if interrupted:
            for worker in active_children():
                worker.terminate()
    if interrupted:  # nipype takes an interrupt inside a node for the node's own failure
        raise KeyboardInterrupt
    outcome = _outcome(workflow, nodes, started, failed, crash_dir)
    executed = {name: took[name] for name in outcome.executed if name in took}
    return replace(
        outcome, seconds=executed, peak_gb=_peaks(workflow, nodes, outcome) if machine.resource_monitor else {}
    )


def _peaks(workflow: Workflow, nodes: Sequence[Node], outcome: Outcome) -> dict[str, float]:
    """What the resource monitor measured of each executed node, GB."""
    peaks = {}
    for node in nodes:
        if node.fullname in outcome.executed:
            result = load_resultfile(node_folder(workflow, node) / f"result_{node.name}.pklz")
            peak = getattr(result.runtime, "mem_peak_gb", None)
            if peak is not None:
                peaks[node.fullname] = float(peak)
    return peaks


def _slurm_folder(workflow: Workflow) -> Path:
    return Path(workflow.base_dir, "slurm")


def _plugin(
    workflow: Workflow, machine: Machine, gpus: bool, status: Callable[[Node, str], None], watch: Watch | None
) -> tuple[Any, dict[str, Any]]:
    """Nipype's plugin, by name or as an object, and its arguments; `gpus`: some node uses one."""
    if machine.plugin == "SLURM":
        tell = watch.warn if watch is not None else lambda node, line: None
        return SLURMPlugin(machine.slurm, machine.cluster, _slurm_folder(workflow), tell, status), {}
    if machine.plugin == "Linear" or machine.nprocs == 1:
        return "Linear", {"status_callback": status}
    arguments = {
        "status_callback": status,
        "n_procs": machine.nprocs,
        "memory_gb": machine.memory_gb,
        "raise_insufficient": False,
    }
    return LocalPlugin(arguments, visible_devices() if gpus else []), {}


def configure(workflow: Workflow, machine: Machine, crash_dir: Path) -> None:
    """Tell nipype how to run: quietly, without the network, with text crash files, hashing the content of files.

    A workflow keeps the configuration of the moment in which it was made, so it is given the new one as well.
    """
    os.environ.setdefault("LOGNAME", "qsmflow")
    nipype_config.update_config(
        {
            "execution": {
                "crashfile_format": "txt",
                "hash_method": "content",
                "stop_on_first_crash": machine.stop_on_first_crash,
                "remove_unnecessary_outputs": False,
                "create_report": False,
                "poll_sleep_duration": LOOK if machine.plugin == "SLURM" else 0.05,
                "check_version": False,
            },
            "monitoring": {"enabled": machine.resource_monitor},
        }
    )
    if machine.resource_monitor:
        nipype_config.enable_resource_monitor()
    workflow.config = deepcopy(nipype_config._sections)
    # not above, where a % in the name of the folder would be taken for the name of another option
    workflow.config["execution"]["crashdump_dir"] = str(crash_dir)
    if not machine.verbose:
        hush()
        set_forkserver_preload(["qsmflow.engines.worker"])


def _outcome(workflow: Workflow, nodes: Sequence[Node], started: float, failed: list[str], crash_dir: Path) -> Outcome:
    executed, cached, not_run = [], [], []
    for node in nodes:
        result = node_folder(workflow, node) / f"result_{node.name}.pklz"
        stamps = [path for path in result.parent.glob("_0x*.json") if "_unfinished" not in path.name]
        if node.fullname in failed:
            continue
        if not result.exists() or not stamps:
            not_run.append(node.fullname)
        elif result.stat().st_mtime >= started:
            executed.append(node.fullname)
        else:
            cached.append(node.fullname)
    crashes = sorted(path for path in crash_dir.glob("crash-*.txt") if path.stat().st_mtime >= started - 1)
    failures = tuple(_failure(name, crashes) for name in failed)
    return Outcome(tuple(executed), tuple(cached), failures, tuple(not_run))


def _failure(name: str, crashes: list[Path]) -> Failure:
    for path in crashes:
        text = path.read_text(errors="replace")
        if f"Node: {name}\n" in text:
            return Failure(name, last_error(text), path)
    return Failure(name, "no crash file was written; the worker was probably killed (out of memory?)", None)


def last_error(text: str) -> str:
    """The last line of an error's traceback in a crash file: what went wrong, without where."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [
        line for line in lines if line.split(":")[0].replace(".", "").replace("_", "").isalnum() and "Error" in line
    ]
    return (errors or lines or ["unknown"])[-1]
