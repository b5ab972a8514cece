"""SLURM's programs as functions: each one call, its answer read, its refusals told apart."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from qsmflow.errors import MissingProgramError, QsmflowError

#: What the programs say where the controller does not answer; the same may be asked again later.
_SILENT = re.compile(
    "unable to contact slurm controller|socket timed out|connection refused|zero bytes were transmitted"
    "|transport endpoint|not available at the moment|communication connection failure|communications? timed out"
    "|try again later|backup controller",
    re.IGNORECASE,
)
#: What sbatch says where a user has as many jobs as allowed.
_FULL = re.compile("submit.*limit|accounting/qos policy|too many jobs|maxsubmit|maxjob", re.IGNORECASE)
#: Seconds after which a program that does not come back counts as a silent controller.
_PATIENCE = 120.0
#: Why a job waits that somebody must do something about; for all others there is nothing to do but wait as well.
_STUCK = re.compile(
    "held|timelimit|nodelimit|perjob|walldur|invalid|notallowed|badconstraints|neversatisfied|partitiondown"
    "|partitioninactive|nodes required for job are down|reqnodenotavail",
    re.IGNORECASE,
)
#: How SLURM calls a job that is over.
FINAL = frozenset(
    [
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    ]
)


class SlurmError(QsmflowError):
    """SLURM refuses; the message is its own, in one line."""


class SilentError(SlurmError):
    """The controller does not answer just now."""


class FullError(SlurmError):
    """The user has as many jobs as the cluster lets them have."""


@dataclass(frozen=True)
class Ended:
    """How a job ended: its state in SLURM's words, status and signal of its script, and the node it was on."""

    state: str
    status: int = 0
    signal: int = 0
    node: str = ""


@dataclass(frozen=True)
class Queued:
    """A job that waits, runs or is being ended: its name, and in SLURM's words why it waits."""

    name: str
    reason: str = ""

    @property
    def stuck(self) -> bool:
        """Whether it waits for something that does not come by itself."""
        return bool(_STUCK.search(self.reason))


@dataclass(frozen=True)
class Kind:
    """Machines that are alike: what one has, its generic resources as SLURM writes them."""

    cpus: int
    memory_gb: float
    gres: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partition:
    """A partition, the kinds of its machines, and how long a job may take in it, minutes."""

    name: str
    kinds: tuple[Kind, ...]
    minutes: float = inf


def call(program: str, *words: str) -> str:
    """What `program` prints.

    Raises
    ------
    MissingProgramError
        It is not installed here.
    SilentError, FullError, SlurmError
        It failed.
    """
    # of the job that this process may itself be in, nothing is for the jobs that it submits
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") or k == "SLURM_CONF"}
    try:
        done = subprocess.run(
            [program, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
    except FileNotFoundError as error:
        raise MissingProgramError(
            f"{program}: not found; run where SLURM's programs are, such as a login node, or take --plugin MultiProc"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SilentError(f"{program}: no answer within {_PATIENCE:.0f} s") from error
    if done.returncode == 0:
        return done.stdout
    told = " ".join(done.stderr.split()) or f"{program} ended with {done.returncode}"
    raise (SilentError if _SILENT.search(told) else FullError if _FULL.search(told) else SlurmError)(told)


def submit(script: Path, options: Sequence[str]) -> int:
    """Submit `script` with `options` of sbatch; returns the id of the job."""
    answer = call("sbatch", "--parsable", *options, str(script))
    return int(answer.strip().split(";")[0])  # a federation adds the name of the cluster


def queue() -> dict[int, Queued]:
    """The user's jobs that wait, run or are being ended, by id."""
    lines = call("squeue", "--noheader", f"--user={os.getuid()}", "--format=%A|%r|%j").splitlines()
    return {int(job): Queued(name, reason) for job, reason, name in (line.split("|", 2) for line in lines)}


def cancel(jobs: Iterable[int]) -> None:
    """End `jobs`, waiting or running."""
    words = [str(job) for job in sorted(jobs)]
    if words:
        call("scancel", "--quiet", *words)


def ended(jobs: Iterable[int]) -> dict[int, Ended]:
    """How those of `jobs` ended that SLURM still knows of: by its accounting, or else by its controller."""
    wanted = sorted(jobs)
    try:
        found = _by_accounting(wanted)
    except (SlurmError, MissingProgramError):  # a cluster without accounting, or one whose accounting is down
        found = {}
    for job in wanted:
        if job not in found and (known := _by_controller(job)) is not None:
            found[job] = known
    return found


def _by_accounting(jobs: Sequence[int]) -> dict[int, Ended]:
    words = ["--allocations", "--noheader", "--parsable2", f"--jobs={','.join(map(str, jobs))}"]
    found = {}
    for line in call("sacct", *words, "--format=JobIDRaw,State,ExitCode,NodeList").splitlines():
        job, state, code, node = line.split("|")
        if (word := state.split(" ")[0]) in FINAL:  # "CANCELLED by 1000"
            found[int(job)] = _ended(word, code, node)
    return found


def _by_controller(job: int) -> Ended | None:
    try:
        text = call("scontrol", "--oneliner", "show", "job", str(job))
    except SilentError:
        raise
    except SlurmError:  # it forgets ended jobs after a while
        return None
    fields = dict(word.split("=", 1) for word in text.split() if "=" in word)
    node = fields.get("BatchHost", "")
    return _ended(fields["JobState"], fields["ExitCode"], node) if fields["JobState"] in FINAL else None


def _ended(state: str, code: str, node: str) -> Ended:
    status, _, signal = code.partition(":")
    return Ended(state, int(status), int(signal or 0), "" if node in ("(null)", "None assigned") else node)


def partitions() -> tuple[Partition, ...]:
    """The partitions of the cluster, that which is taken without a name first."""
    found: dict[str, list[Kind]] = {}
    limits: dict[str, float] = {}
    first = ""
    for line in call("sinfo", "--noheader", "--exact", "--format=%P|%c|%m|%G|%l").splitlines():
        name, cpus, megabytes, gres, limit = line.split("|")
        if name.endswith("*"):
            first = name = name[:-1]
        # where nobody told SLURM of the memory, it says 1
        memory_gb = float(megabytes) * 2**20 / 1e9 if megabytes != "1" else inf
        names = tuple(word.strip() for word in gres.split(",") if "null" not in word)
        found.setdefault(name, []).append(Kind(int(cpus), memory_gb, names))
        limits[name] = _minutes(limit)
    order = sorted(found, key=lambda name: name != first)
    return tuple(Partition(name, tuple(found[name]), limits[name]) for name in order)


def _minutes(limit: str) -> float:
    """Of a limit as sinfo tells it: ``infinite``, ``n/a`` or ``[days-][hours:]minutes:seconds``."""
    days, _, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts):
        return inf
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return 1440 * int(days or 0) + seconds / 60
