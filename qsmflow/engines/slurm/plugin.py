"""Nipype's plugin that makes a job of every node that is worth one, and computes the others here."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Node
from nipype.pipeline.plugins.base import DistributedPluginBase
from nipype.pipeline.plugins.multiproc import run_node

from qsmflow.config.slurm import SLURM
from qsmflow.engines.pool import Pool, outcome
from qsmflow.errors import MissingProgramError

from . import commands
from .checks import most_for
from .commands import Ended, FullError, Partition, SilentError, SlurmError
from .fate import LOST, fate
from .job import read_outcome, wait_for_inputs
from .task import Task, is_job, job_name, limit_minutes

#: Seconds between two looks at the folder of outcomes, one listing for all jobs.
LOOK = 0.2
_UNSTICK = "it may never begin; mend that, or end it with scancel"


class SLURMPlugin(DistributedPluginBase):
    """Nodes as jobs of SLURM.

    Jobs that come through tell it by a file in one folder, which is listed often; SLURM itself is asked seldom, by one
    call of squeue for all jobs, and only for those that it lists no longer how they ended.

    Parameters
    ----------
    settings
        What jobs ask beside the need of their nodes, and how they are watched.
    cluster
        What there is, of which no job asks more.
    folder
        For scripts, logs and outcomes; seen by every machine of the cluster.
    tell
        Called with the full name of a node and a line that the user should read.
    status_callback
        Called with a node and ``start``, ``end`` or ``exception``.
    """

    def __init__(
        self,
        settings: SLURM,
        cluster: Sequence[Partition],
        folder: Path,
        tell: Callable[[str, str], None],
        status_callback: Callable[[Node, str], None] | None = None,
    ) -> None:
        super().__init__({"max_jobs": settings.jobs, "status_callback": status_callback})
        self._settings, self._cluster, self._folder, self._tell = settings, cluster, folder, tell
        # of this run alone: others may work on other subjects beside it, and ids may come again
        self._outcomes = folder / f"outcomes-{uuid.uuid4().hex}"
        self._tasks: dict[int, Task] = {}
        self._here: dict[int, Future[Any]] = {}
        self._results: dict[int, dict[str, Any]] = {}
        self._count = 0
        self._looked = self._polled = time.monotonic()
        self._silent = self._full = False
        #: Jobs of which was told that they wait for something that does not come by itself.
        self._stuck: set[int] = set()
        self._pool = Pool(settings.local_processes)

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Execute `graph`; however that ends, no job of it stays in the queue."""
        self._outcomes.mkdir(parents=True)
        try:
            super().run(graph, config, updatehash)
        finally:
            self._end()

    def _end(self) -> None:
        self._pool.shutdown()
        # by name, as an interrupt may have come before the id of a job did
        names = {self._name(task) for task in self._tasks.values()}
        try:
            if names:
                commands.cancel(job for job, queued in commands.queue().items() if queued.name in names)
        except (SlurmError, MissingProgramError) as error:
            self._tell(
                "",
                f"jobs named {job_name(self._folder, '*')} may still be in the queue: {error}; end them with scancel",
            )
        shutil.rmtree(self._outcomes, ignore_errors=True)

    def _submit_job(self, node: Node, updatehash: bool = False) -> int:
        self._count += 1
        if not is_job(node.need, self._settings):
            self._here[self._count] = self._pool.submit(_run_here, node, self._settings.settle, self._count)
            return self._count
        folder = self._folder / "jobs" / node.fullname
        task = Task(node, node.need, folder, self._settings.retries)
        self._tasks[self._count] = task
        try:
            task.write(self._outcomes, self._settings.settle)
        except OSError as error:
            self._fail(self._count, f"OSError: {error}")
        else:
            self._try_to_submit(self._count)
        return self._count

    def _name(self, task: Task) -> str:
        return job_name(self._folder, task.node.fullname)

    def _try_to_submit(self, number: int) -> None:
        task = self._tasks[number]
        try:
            task.job = commands.submit(task.script, task.options(self._settings, self._name(task)))
        except (SilentError, MissingProgramError) as error:
            self._note_silence(error)
        except FullError as error:
            # with nothing of this run in the queue it is other jobs of the user that must end first
            if not self._full and not any(other.job for other in self._tasks.values()):
                self._full = True
                self._tell("", f"no more jobs are allowed just now ({error}); waiting for others of yours to end")
        except SlurmError as error:
            self._fail(number, f"SlurmError: {error}")

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        here = self._here.get(taskid)
        if here is not None:
            return outcome(here)
        now = time.monotonic()
        if now - self._looked >= LOOK:
            self._looked = now
            self._look_for_outcomes()
        if now - self._polled >= self._settings.poll:
            self._polled = now
            self._poll()
        return self._results.get(taskid)

    def _clear_task(self, taskid: int) -> None:
        for every in (self._here, self._tasks, self._results):
            every.pop(taskid, None)

    def _look_for_outcomes(self) -> bool:
        """Take the outcomes that are there; False where the disk does not tell which."""
        try:
            names = set(os.listdir(self._outcomes))  # noqa: PTH208  the names alone, of a folder that may be large
        except FileNotFoundError:  # somebody removed it
            names = set()
        except OSError as error:
            self._note_silence(error)
            return False
        for number, task in self._tasks.items():
            name = f"{task.job}.json"
            if name in names and number not in self._results:
                with suppress(OSError, ValueError):
                    self._results[number] = {"result": None, "traceback": read_outcome(self._outcomes / name)}
        return True

    def _poll(self) -> None:
        """Submit what could not be, and find out about the jobs that ended without an outcome."""
        open_ = {number: task for number, task in self._tasks.items() if number not in self._results}
        for number in [number for number, task in open_.items() if task.job is None]:
            self._try_to_submit(number)
        submitted = {task.job: number for number, task in open_.items() if task.job is not None}
        if not submitted:
            return
        try:
            queue = commands.queue()
            known, going = commands.ended(submitted.keys() - queue.keys())
        # whatever SLURM says in trouble, it is no fault of a node
        except (SlurmError, MissingProgramError) as error:
            self._note_silence(error)
            return
        for job in going.keys() - self._stuck:
            self._stuck.add(job)
            line = f"job {job} is not in the queue, and SLURM calls it {going[job]}; waiting; if it is gone, run again"
            self._tell(open_[submitted[job]].node.fullname, line)
        for job in submitted.keys() & queue.keys() - self._stuck:
            if queue[job].stuck:
                self._stuck.add(job)
                self._tell(open_[submitted[job]].node.fullname, f"job {job} waits: {queue[job].reason}; {_UNSTICK}")
        if not self._look_for_outcomes():  # of those that ended since the last look
            return
        self._silent = False
        for job in submitted.keys() - queue.keys() - going.keys():
            if submitted[job] not in self._results:
                self._judge(submitted[job], known.get(job))

    def _judge(self, number: int, ended: Ended | None) -> None:
        """Decide on a job that left the queue and no outcome; one that says it is done gets time to be seen."""
        task = self._tasks[number]
        assert task.job is not None
        if ended is None or ended.state == "COMPLETED":
            now = time.monotonic()
            task.gone = task.gone or now
            if now - task.gone < self._settings.settle:
                return
        found = fate(
            task.job,
            ended or Ended(LOST),
            task.need,
            limit_minutes(task.need, self._settings),
            task.log,
            task.left,
            most_for(task.need, self._settings, self._cluster),
        )
        if found.again is None:
            self._fail(number, f"JobError: {found.line}")
            return
        self._tell(task.node.fullname, found.line)
        again = replace(task, need=found.again, left=task.left - found.counts, job=None, gone=None)
        self._tasks[number] = again
        self._try_to_submit(number)

    def _fail(self, number: int, line: str) -> None:
        self._results[number] = {"result": None, "traceback": [line]}

    def _note_silence(self, error: Exception) -> None:
        if not self._silent:
            self._silent = True
            who = "the disk of the work folder" if isinstance(error, OSError) else "SLURM"
            self._tell("", f"{who} does not answer ({error}); waiting, its jobs go on")


def _run_here(node: Node, settle: float, number: int) -> dict[str, Any]:
    """Run `node` in a process of the pool, on what jobs elsewhere made."""
    wait_for_inputs(node, settle)
    return dict(run_node(node, False, number))
