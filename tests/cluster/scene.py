"""What the fault tests do things to: a run, its job and its gate."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.local_slurm import LocalSlurm

ROOT = Path(__file__).resolve().parents[2]
#: Seconds for anything that a run is waited for; a busy machine takes its time.
PATIENCE = 600.0


def until(there: Callable[[], object], what: str) -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


class Run:
    """A program in the environment of the cluster, and what it says."""

    def __init__(self, cluster: LocalSlurm, log: Path, *words: object) -> None:
        self._log = log
        environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **cluster.environment}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *map(str, words)],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until it says `text`."""
        until(lambda: text in self.said or self.process.poll() is not None, text)
        assert text in self.said, self.said

    def ends(self, code: int) -> str:
        """Wait for its end, which must be with `code`; returns what it said."""
        until(lambda: self.process.poll() is not None, "the end of a run")
        assert self.process.returncode == code, self.said
        return self.said


class Scene:
    """A folder with the input of the small run, which can be done and disturbed there."""

    def __init__(self, cluster: LocalSlurm, inputs: Path, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        for name in ("local.nii", "mask.nii"):
            shutil.copy(inputs / name, folder)
        self._runs = 0

    def start(self, *options: object) -> Run:
        """Begin a run."""
        self._runs += 1
        return Run(self.cluster, self.folder / f"run{self._runs}.txt", "tests.cluster.driver", self.folder, *options)

    def start_held(self, *options: object) -> Run:
        """Begin a run, and wait until its job has come to the gate, which is closed."""
        (self.folder / "gate").touch()
        run = self.start(*options)
        self.reached(run)
        return run

    def reached(self, run: Run) -> None:
        """Wait until a job of `run` comes to the gate."""
        until(lambda: (self.folder / "reached").exists() or run.process.poll() is not None, "the gate")
        assert run.process.poll() is None, run.said
        (self.folder / "reached").unlink()

    def open(self) -> None:
        """Open the gate."""
        (self.folder / "gate").unlink()

    def job(self) -> str:
        """Id of the only job in the queue."""
        (job,) = self.cluster.jobs()
        return job

    def kill_worker(self) -> None:
        """End the process that computes, as the kernel does where memory is short."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "qsmflow.engines.slurm.job" in words and any(str(self.folder) in word for word in words):
                os.kill(int(process.name), signal.SIGKILL)

    def results(self) -> dict[str, bytes]:
        """What was kept, by name."""
        return {path.name: path.read_bytes() for path in (self.folder / "out").iterdir()}

    def rerun(self, expected: dict[str, bytes]) -> str:
        """Run once more, undisturbed; what is kept must be `expected`. Returns what it did in words."""
        (self.folder / "gate").unlink(missing_ok=True)
        said = self.start().ends(0)
        assert self.results() == expected
        assert not self.cluster.jobs()
        return deeds(said)


def deeds(said: str) -> str:
    """How many nodes a run executed and found, from its last line."""
    executed, found = re.search(r"(\d+) nodes executed, (\d+) found finished", said).groups()  # type: ignore[union-attr]
    return f"computes {executed} of {int(executed) + int(found)} nodes; the same bytes"


def line_with(said: str, text: str) -> str:
    """The line of `said` with `text`, with ids, processes and folders that differ each time made even."""
    (line,) = [line for line in said.splitlines() if text in line][:1]
    line = re.sub(r"job \d+", "job 12", line.removeprefix("qsmflow: "))
    line = re.sub(r"process \d+ on \S+", "process 123 on login1", line)
    line = re.sub(r"since \S+;", "since 2026-01-31T12:00:00+00:00;", line)
    line = re.sub(r"qsmflow-[0-9a-f]{8}", "qsmflow-1a2b3c4d", line)
    line = re.sub(r"/\d+\.out", "/12.out", line)
    line = re.sub(r"/\S+/logs\b", "OUT/logs", line)
    return re.sub(r"/\S+/work\b", "WORK", line)
