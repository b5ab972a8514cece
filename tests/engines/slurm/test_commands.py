"""Answers and refusals of SLURM's programs are read as what they are."""

from __future__ import annotations

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


def test_submit_returns_the_id(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    monkeypatch.setenv("SLURM_CONF", "/conf")
    programs.add("sbatch", "123;cluster\n")
    assert commands.submit(Path("job.sh"), ["--mem=1M"]) == 123
    assert programs.words("sbatch") == ["--parsable --mem=1M job.sh"]
    inherited = [line for line in programs.environment("sbatch") if line.startswith("SLURM_")]
    assert inherited == ["SLURM_CONF=/conf"]


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            SilentError,
        ),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", SilentError),
        ("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Job violates accounting/QOS policy", FullError),
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
    programs.add("squeue", "12|None|qsmflow-1.sub 01\n13|Priority|a|b\n14|PartitionTimeLimit|c\n15|JobHeldUser|d\n")
    found = commands.queue()
    assert {job: queued.name for job, queued in found.items()} == {12: "qsmflow-1.sub 01", 13: "a|b", 14: "c", 15: "d"}
    assert [job for job, queued in found.items() if queued.stuck] == [14, 15]
    assert len(programs.words("squeue")) == 1


def test_accounting_tells_how_jobs_ended(programs: Programs) -> None:
    lines = "1|CANCELLED by 1000|0:15|None assigned\n2|OUT_OF_MEMORY|0:125|cpu1\n3|RUNNING|0:0|cpu1\n"
    programs.add("sacct", lines)
    programs.add("scontrol", error="slurm_load_jobs error: Invalid job id specified", status=1)
    found = commands.ended([1, 2, 3])
    assert found == {1: Ended("CANCELLED", 0, 15, ""), 2: Ended("OUT_OF_MEMORY", 0, 125, "cpu1")}
    assert len(programs.words("sacct")) == 1


def test_without_accounting_the_controller_is_asked(programs: Programs) -> None:
    programs.add("sacct", error="Slurm accounting storage is disabled", status=1)
    programs.add("scontrol", "JobId=4 JobName=a JobState=FAILED Reason=X ExitCode=28:0 NodeList=cpu1 BatchHost=cpu1")
    assert commands.ended([4]) == {4: Ended("FAILED", 28, 0, "cpu1")}
    programs.add("scontrol", "JobId=4 JobState=RUNNING ExitCode=0:0")
    assert commands.ended([4]) == {}


def test_partitions_and_what_they_have(programs: Programs) -> None:
    lines = ("gpu|64|250000|gpu:a100:4(S:0-1),lscratch:1|1-02:00:00", "cpu*|2|1000|(null)|infinite")
    programs.add("sinfo", "\n".join([*lines, "gpu|8|1|gpu:v100:2|1-02:00:00", "fast|2|1|(null)|30:00"]))
    large = Kind(64, 262.144, ("gpu:a100:4(S:0-1)", "lscratch:1"))
    of_unknown_memory = Kind(8, inf, ("gpu:v100:2",))
    assert commands.partitions() == (
        Partition("cpu", (Kind(2, 1.048576),)),
        Partition("gpu", (large, of_unknown_memory), 1560.0),
        Partition("fast", (Kind(2, inf),), 30.0),
    )
