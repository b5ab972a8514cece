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
#: What sbatch says where a user has as many jobs as allowed; of one job that is too large it says the same and more.
_FULL = re.compile(
    "^(?!.*(perjob|walldur|notsatisfied)).*(submit.*limit|accounting/qos policy|too many jobs|maxsubmit|maxjob)",
    re.IGNORECASE,
)
#: Variables by which a user changes what the programs show or ask, and those that describe the job that this process is
#: in: neither is for the calls made here. All others, such as SLURM_CONF and SLURM_CLUSTERS, say where the cluster is.
_NOT_PASSED = re.compile(
    "(SQUEUE|SINFO|SACCT|SCANCEL|SBATCH)_"
    "|SLURM_(ARRAY|CLUSTER_NAME|CONTAINER|CPU|DIST|EXPORT_ENV|GET_USER_ENV|GPU|GTIDS|HET|HINT|JOB|LAUNCH|LOCALID|MEM"
    "|MPI_TYPE|NNODES|NODE|NPROCS|NTASKS|OOM|OPEN_MODE|OVERCOMMIT|PRIO|PROCID|PROFILE|RESERVATION|RESTART|SCRIPT|SHARDS"
    "|SRUN|STEP|SUBMIT|TASK|THREADS|TOPOLOGY|TRES|UMASK|WORKING)"
)
#: Seconds after which a program that does not come back counts as a silent controller.
_PATIENCE = 120.0
#: Why a job waits that somebody must do something about; for all others there is nothing to do but wait as well.
_STUCK = re.compile(
    "held|timelimit|nodelimit|perjob|walldur|invalid|notallowed|badconstraints|neversatisfied|partitiondown"
    "|partitioninactive|nodes required for job are down|reqnodenotavail",
    re.IGNORECASE,
)
#: How SLURM calls, in short, the state of a machine that begins no jobs until somebody mends it.
_BROKEN = re.compile("down|drain|drng|fail|inval")
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
    """A job that waits, runs or is being ended: its name, and in SLURM's words its state and why it waits."""

    name: str
    state: str = "PENDING"
    reason: str = ""

    @property
    def stuck(self) -> bool:
        """Whether it waits for something that does not come by itself; one that is being ended has a reason too."""
        return self.state == "PENDING" and bool(_STUCK.search(self.reason))


@dataclass(frozen=True)
class Kind:
    """Machines that are alike: what one has, its generic resources as SLURM writes them."""

    cpus: int
    memory_gb: float
    gres: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partition:
    """A partition, the kinds of its machines, how long a job may take in it, minutes, and whether it begins jobs."""

    name: str
    kinds: tuple[Kind, ...]
    minutes: float = inf
    up: bool = True


def call(program: str, *words: str) -> str:
    """What `program` prints.

    Raises
    ------
    MissingProgramError
        It is not installed here.
    SilentError, FullError, SlurmError
        It failed.
    """
    environment = {name: value for name, value in os.environ.items() if not _NOT_PASSED.match(name)}
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
    except OSError as error:  # no further process may begin just now
        raise SilentError(f"{program}: {error.strerror}") from error
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
    rows = _rows("squeue", "--all", "--noheader", f"--user={os.getuid()}", "--format=%A|%T|%r|%j", fields=4)
    return {int(job): Queued(name, state, reason) for job, state, reason, name in rows}


def _rows(program: str, *words: str, fields: int) -> list[list[str]]:
    """What `program` prints, split into `fields`; the names of clusters that it may put between are left out."""
    lines = (line.split("|", fields - 1) for line in call(program, *words).splitlines())
    return [line for line in lines if len(line) == fields]


def may_run(job: int, user: int) -> bool:
    """Whether `job` of the user of that number may not be over; also where that cannot be told.

    Jobs of others may be hidden, so that only of the own ones one that is not known is one that is over.

    Raises
    ------
    MissingProgramError
        SLURM's programs are not installed here.
    SlurmError
        The cluster does not answer.
    """
    try:
        states = call("squeue", "--all", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").split()
    except SilentError:
        raise
    except SlurmError:  # so it answers of a job that it does not know
        states = []
    if not states:
        over, going = ended([job])
        return job not in over and (job in going or user != os.getuid())
    return not FINAL.issuperset(states)


def cancel(jobs: Iterable[int]) -> None:
    """End `jobs`, waiting or running."""
    words = [str(job) for job in sorted(jobs)]
    if words:
        call("scancel", "--quiet", *words)


def ended(jobs: Iterable[int]) -> tuple[dict[int, Ended], dict[int, str]]:
    """How those of `jobs` ended that SLURM still knows of, and the states of those that it does not call ended.

    Asked is its accounting, and of what that does not call ended its controller.
    """
    wanted = sorted(jobs)
    try:
        found = _by_accounting(wanted) if wanted else {}
    except (SlurmError, MissingProgramError):  # a cluster without accounting, or one whose accounting is down
        found = {}
    for job in wanted:
        if (job not in found or found[job].state not in FINAL) and (known := _by_controller(job)) is not None:
            found[job] = known
    over = {job: one for job, one in found.items() if one.state in FINAL}
    return over, {job: one.state for job, one in found.items() if job not in over}


def _by_accounting(jobs: Sequence[int]) -> dict[int, Ended]:
    words = ["--allusers", "--allocations", "--noheader", "--parsable2", f"--jobs={','.join(map(str, jobs))}"]
    rows = _rows("sacct", *words, "--format=JobIDRaw,State,ExitCode,NodeList", fields=4)
    # "CANCELLED by 1000"
    return {int(job): _ended(state.split(" ")[0], code, node) for job, state, code, node in rows}


def _by_controller(job: int) -> Ended | None:
    try:
        text = call("scontrol", "--all", "--oneliner", "show", "job", str(job))
    except SilentError:
        raise
    except SlurmError:  # it forgets ended jobs after a while
        return None
    fields = dict(word.split("=", 1) for word in text.split() if "=" in word)
    return _ended(fields["JobState"], fields["ExitCode"], fields.get("BatchHost", ""))


def _ended(state: str, code: str, node: str) -> Ended:
    status, _, signal = code.partition(":")
    return Ended(state, int(status), int(signal or 0), "" if node in ("(null)", "None assigned") else node)


def partitions() -> tuple[Partition, ...]:
    """The partitions of the cluster, that which is taken without a name first.

    Machines that are down or drained are left out, unless a partition has no others.
    """
    found: dict[str, dict[bool, list[Kind]]] = {}
    about: dict[str, tuple[float, bool]] = {}
    first = ""
    for row in _rows("sinfo", "--all", "--noheader", "--exact", "--format=%P|%a|%l|%t|%c|%m|%G", fields=7):
        name, available, limit, state, cpus, megabytes, gres = row
        if name.endswith("*"):
            first = name = name[:-1]
        # where nobody told SLURM of the memory, it says 1
        memory_gb = float(megabytes) * 2**20 / 1e9 if megabytes != "1" else inf
        names = tuple(word.strip() for word in gres.split(",") if "null" not in word)
        kinds = found.setdefault(name, {}).setdefault(_BROKEN.match(state) is None, [])
        kind = Kind(int(cpus), memory_gb, names)
        kinds += [kind] if kind not in kinds else []
        about[name] = _minutes(limit), available == "up"
    order = sorted(found, key=lambda name: name != first)
    return tuple(Partition(name, tuple(found[name].get(True) or found[name][False]), *about[name]) for name in order)


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
