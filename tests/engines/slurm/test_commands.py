"""Answers and refusals of SLURM's programs are read as what they are."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

import pytest

from qsmflow.engines.slurm import commands
from qsmflow.engines.slurm.commands import Ended, FullError, Kind, Partition, SilentError, SlurmError
from qsmflow.errors import MissingProgramError
from tests.engines.slurm.programs import Programs


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


def test_submit_returns_the_id(programs: Programs) -> None:
    programs.add("sbatch", "123;cluster\n")
    assert commands.submit(Path("job.sh"), ["--mem=1M"]) == 123
    assert programs.words("sbatch") == ["--parsable --mem=1M job.sh"]


def test_programs_get_where_the_cluster_is_and_nothing_of_a_job_or_of_taste(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("SLURM_"):
            monkeypatch.delenv(name)
    kept = {"SLURM_CONF": "/conf", "SLURM_CLUSTERS": "a", "SLURM_JWT": "x", "SLURM_CONF_SERVER": "b"}
    job = {f"SLURM_{end}": "5" for end in ("JOB_ID", "MEM_PER_NODE", "CPUS_ON_NODE", "NTASKS", "TOPOLOGY_ADDR")}
    taste = {"SQUEUE_STATES": "RUNNING", "SBATCH_PARTITION": "p", "SINFO_FORMAT": "f", "SACCT_FORMAT": "f"}
    for name, value in {**kept, **job, **taste, "SCANCEL_STATE": "PENDING"}.items():
        monkeypatch.setenv(name, value)
    programs.add("squeue")
    commands.queue()
    families = ("SLURM", "SQUEUE", "SBATCH", "SINFO", "SACCT", "SCANCEL")
    found = dict(line.split("=", 1) for line in programs.environment("squeue") if line.startswith(families))
    assert found == kept


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            SilentError,
        ),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", SilentError),
        ("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Job violates accounting/QOS policy", FullError),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Job violates accounting/QOS policy (job "
            "submit limit, user's size and/or time limits)",
            SlurmError,
        ),
        ("sbatch: error: invalid partition specified: nope", SlurmError),
        ("", SlurmError),
    ],
)
def test_refusals_are_told_apart_in_one_line(programs: Programs, told: str, kind: type[Exception]) -> None:
    programs.add("sbatch", error=told, status=1)
    with pytest.raises(SlurmError) as caught:
        commands.submit(Path("job.sh"), [])
    assert type(caught.value) is kind and "\n" not in str(caught.value) and str(caught.value)


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="squeue: not found"):
        commands.queue()


def test_the_queue_is_one_call(programs: Programs) -> None:
    lines = "CLUSTER: a\n12|RUNNING|None|qsmflow-1.sub 01\n13|PENDING|Priority|a|b\n14|PENDING|PartitionTimeLimit|c\n"
    programs.add("squeue", f"{lines}15|PENDING|JobHeldUser|d\n16|COMPLETING|TimeLimit|e\n")
    found = commands.queue()
    names = {12: "qsmflow-1.sub 01", 13: "a|b", 14: "c", 15: "d", 16: "e"}
    assert {job: queued.name for job, queued in found.items()} == names
    assert [job for job, queued in found.items() if queued.stuck] == [14, 15]
    (words,) = programs.words("squeue")
    assert "--all" in words.split()


@pytest.mark.parametrize(
    ("listed", "accounting", "user", "may"),
    [
        ("RUNNING", "", 1, True),
        ("COMPLETED", "", 1, False),
        ("", "7|TIMEOUT|0:0|cpu1", 1, False),
        ("", "7|RUNNING|0:0|cpu1", 1, True),
        ("", "", 1, True),  # of another user: may be hidden
        ("", "", 1000, False),
    ],
)
def test_a_job_of_whomever_is_asked_by_its_id(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, listed: str, accounting: str, user: int, may: bool
) -> None:
    unknown = "slurm_load_jobs error: Invalid job id specified"
    programs.add("squeue", listed, error="" if listed else unknown, status=0 if listed else 1)
    programs.add("sacct", accounting)
    programs.add("scontrol", error=unknown, status=1)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert commands.may_run(7, user) is may
    assert "--jobs=7" in programs.words("squeue")[0] and "--user" not in programs.words("squeue")[0]


def test_of_a_silent_controller_a_job_cannot_be_told(programs: Programs) -> None:
    programs.add("squeue", error="Unable to contact slurm controller", status=1)
    with pytest.raises(SilentError):
        commands.may_run(7, os.getuid())


def test_accounting_tells_how_jobs_ended(programs: Programs) -> None:
    lines = "1|CANCELLED by 1000|0:15|None assigned\n2|OUT_OF_MEMORY|0:125|cpu1\n3|RUNNING|0:0|cpu1\n"
    programs.add("sacct", lines)
    programs.add("scontrol", error="slurm_load_jobs error: Invalid job id specified", status=1)
    found, going = commands.ended([1, 2, 3])
    assert found == {1: Ended("CANCELLED", 0, 15, ""), 2: Ended("OUT_OF_MEMORY", 0, 125, "cpu1")}
    assert going == {3: "RUNNING"}
    assert commands.ended([]) == ({}, {})
    assert len(programs.words("sacct")) == 1


def test_without_accounting_the_controller_is_asked(programs: Programs) -> None:
    programs.add("sacct", error="Slurm accounting storage is disabled", status=1)
    programs.add("scontrol", "JobId=4 JobName=a JobState=FAILED Reason=X ExitCode=28:0 NodeList=cpu1 BatchHost=cpu1")
    assert commands.ended([4]) == ({4: Ended("FAILED", 28, 0, "cpu1")}, {})
    programs.add("scontrol", "JobId=4 JobState=RUNNING ExitCode=0:0")
    assert commands.ended([4]) == ({}, {4: "RUNNING"})


def test_partitions_and_what_they_have(programs: Programs) -> None:
    lines = ("gpu|up|1-02:00:00|mix|64|250000|gpu:a100:4(S:0-1),lscratch:1", "cpu*|up|infinite|idle~|2|1000|(null)")
    programs.add("sinfo", "\n".join([*lines, "gpu|up|1-02:00:00|idle|8|1|gpu:v100:2", "fast|up|30:00|idle|2|1|(null)"]))
    large = Kind(64, 262.144, ("gpu:a100:4(S:0-1)", "lscratch:1"))
    of_unknown_memory = Kind(8, inf, ("gpu:v100:2",))
    assert commands.partitions() == (
        Partition("cpu", (Kind(2, 1.048576),)),
        Partition("gpu", (large, of_unknown_memory), 1560.0),
        Partition("fast", (Kind(2, inf),), 30.0),
    )
    (words,) = programs.words("sinfo")
    assert "--all" in words.split()


def test_machines_that_are_down_do_not_count_unless_there_are_no_others(programs: Programs) -> None:
    lines = ["a|up|30:00|idle|2|1|(null)", "a|up|30:00|mix|2|1|(null)", "a|up|30:00|drain*|64|1|(null)"]
    lines += ["b|up|30:00|down*|8|1|(null)", "c|down|30:00|idle|4|1|(null)", "d|inact|30:00|idle|4|1|(null)"]
    programs.add("sinfo", "\n".join(lines))
    assert commands.partitions() == (
        Partition("a", (Kind(2, inf),), 30.0),
        Partition("b", (Kind(8, inf),), 30.0),
        Partition("c", (Kind(4, inf),), 30.0, up=False),
        Partition("d", (Kind(4, inf),), 30.0, up=False),
    )
