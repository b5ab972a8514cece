"""The plugin against pretended programs, of which sbatch runs its script at once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from nipype import Node, Workflow
from nipype.interfaces.utility import Merge

from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import Machine, Outcome, execute
from qsmflow.engines.resources import Need, ask
from qsmflow.engines.slurm.task import job_name
from qsmflow.errors import UsageError
from qsmflow.interfaces.derivatives import Supplied
from tests.engines.slurm.programs import Programs

#: Runs the script, its last word, as the next job.
RUN = """
echo >> jobs
job=$(wc -l < jobs)
for script; do :; done
SLURM_JOB_ID=$job bash "$script" > /dev/null 2>&1
echo $job
"""


class Watch:
    """Keeps what the user is to read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def begin(self, nodes: Sequence[str]) -> None:
        pass

    def __call__(self, node: str, event: str) -> None:
        pass

    def tell(self, node: str, line: str) -> None:
        pass

    def warn(self, node: str, line: str) -> None:
        self.read.append(line)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin", monkeypatch)
    made.script("sbatch", RUN)
    made.add("squeue")
    made.add("sinfo", "cpu*|up|infinite|idle|2|8000|(null)\n")
    made.add("scancel")
    made.add("sacct", error="Slurm accounting storage is disabled", status=1)
    made.add("scontrol", error="Invalid job id specified", status=1)
    return made


def run(folder: Path, node: Node, cpus: int = 1, **settings: float) -> tuple[Outcome, Watch]:
    """Run `node` as a job."""
    workflow = Workflow("run", base_dir=str(folder))
    workflow.add_nodes([ask(node, Need(minutes=1, cpus=cpus))])
    slurm = SLURM(**{"local_minutes": 0, "poll": 0.2, "settle": 1.0, "retries": 1, **settings})
    watch = Watch()
    machine = Machine(1, 1.0, plugin="SLURM", slurm=slurm)
    return execute(workflow, machine, folder / "crash", watch), watch


def merge() -> Node:
    return Node(Merge(1, in1=[1]), "merge")


def test_a_job_that_comes_through_asks_nothing_of_the_controller(tmp_path: Path, programs: Programs) -> None:
    outcome, watch = run(tmp_path, merge(), poll=60)
    assert outcome.executed == ("run.merge",) and not watch.read
    with pytest.raises(FileNotFoundError):
        programs.words("sacct")
    assert not list((tmp_path / "run" / "slurm").glob("outcomes-*"))


def test_the_error_of_a_node_is_told_as_it_is_anywhere(tmp_path: Path, programs: Programs) -> None:
    (tmp_path / "broken.nii").write_text("no image")
    outcome, _ = run(tmp_path, Node(Supplied(in_file=str(tmp_path / "broken.nii")), "supplied"))
    (failure,) = outcome.failed
    assert "broken.nii" in failure.message and "Error" in failure.message and failure.crash_file is not None


def test_a_job_too_large_for_the_machines_is_refused_before_any_is_submitted(
    tmp_path: Path, programs: Programs
) -> None:
    with pytest.raises(UsageError, match=r"run\.merge: asks for 4 CPUs.*take --omp-nthreads 2"):
        run(tmp_path, merge(), cpus=4)
    with pytest.raises(FileNotFoundError):
        programs.words("sbatch")


def test_a_refusal_of_sbatch_fails_the_node(tmp_path: Path, programs: Programs) -> None:
    programs.add("sbatch", error="sbatch: error: Memory specification can not be satisfied", status=1)
    outcome, _ = run(tmp_path, merge())
    assert "Memory specification" in outcome.failed[0].message


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Unable to contact slurm controller", "SLURM does not answer"),
        ("AssocMaxSubmitJobLimit", "no more jobs are allowed just now"),
    ],
    ids=["silent", "full"],
)
def test_what_passes_is_told_once_and_waited_for(tmp_path: Path, programs: Programs, said: str, told: str) -> None:
    refuses = f"[ $(wc -l < sbatch.words) -gt 3 ] || {{ echo {said} >&2; exit 1; }}"
    programs.script("sbatch", f"{refuses}\n{RUN}")
    outcome, watch = run(tmp_path, merge())
    assert outcome.executed == ("run.merge",) and len(programs.words("sbatch")) == 4
    assert len(watch.read) == 1 and told in watch.read[0]


@pytest.mark.parametrize("error", [OSError(116, "Stale file handle"), BlockingIOError(11, "try again"), None])
def test_what_the_system_cannot_do_just_now_is_waited_for(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, error: OSError | None
) -> None:
    """Listing of a stale folder, a process that cannot begin, and a program that is not there for a while."""
    real, failed = (os.listdir, subprocess.run)[isinstance(error, BlockingIOError) or error is None], []

    def fails_at_first(words: object, **options: object) -> object:
        if "sinfo" not in str(words) and len(failed) < 4:
            failed.append(words)
            raise error or FileNotFoundError
        return real(words, **options)

    monkeypatch.setattr(*((os, "listdir") if real is os.listdir else (subprocess, "run")), fails_at_first)
    outcome, watch = run(tmp_path, merge())
    assert outcome.executed == ("run.merge",) and failed
    assert len(watch.read) == 1 and "does not answer" in watch.read[0]


def test_an_outcome_that_a_shared_disk_shows_late_is_waited_for(tmp_path: Path, programs: Programs) -> None:
    """SLURM says that the job is done; its outcome is at first not to be seen, then empty, then there."""
    late = "(sleep 1; touch ../run/slurm/outcomes-*/1.json; sleep 1; SLURM_JOB_ID=1 bash $script) > /dev/null 2>&1 &"
    programs.script("sbatch", f"for script; do :; done\n{late}\necho 1")
    programs.add("sacct", "1|COMPLETED|0:0|cpu1\n")
    outcome, watch = run(tmp_path, merge(), settle=60)
    assert outcome.executed == ("run.merge",) and not watch.read
    assert len(programs.words("sbatch")) == 1


def test_a_job_that_slurm_forgot_is_submitted_again_and_then_given_up(tmp_path: Path, programs: Programs) -> None:
    programs.script("sbatch", "echo 7")
    outcome, watch = run(tmp_path, merge())
    assert len(programs.words("sbatch")) == 2
    assert ["LOST" in line for line in watch.read] == [True] and "LOST" in outcome.failed[0].message


def test_a_job_that_does_not_show_in_the_queue_and_runs_is_waited_for(tmp_path: Path, programs: Programs) -> None:
    late = "(sleep 2; SLURM_JOB_ID=1 bash $script) > /dev/null 2>&1 &"
    programs.script("sbatch", f"for script; do :; done\n{late}\necho 1")
    programs.add("scontrol", "JobId=1 JobState=RUNNING ExitCode=0:0")
    outcome, watch = run(tmp_path, merge(), settle=0.1)
    assert outcome.executed == ("run.merge",)
    assert [line.split(";")[0] for line in watch.read] == ["job 1 is not in the queue, and SLURM calls it RUNNING"]
    assert len(programs.words("sbatch")) == 1


def test_a_job_that_may_wait_forever_is_told_once(tmp_path: Path, programs: Programs) -> None:
    programs.script("sbatch", "echo 7")
    programs.script(
        "squeue",
        "[ $(wc -l < squeue.words) -gt 3 ] || echo '7|PENDING|PartitionTimeLimit|x'; echo '8|PENDING|BadConstraints|y'",
    )
    programs.add("sacct", "7|CANCELLED by 1000|0:15|None assigned\n")
    outcome, watch = run(tmp_path, merge())
    assert [line.split(";")[0] for line in watch.read] == ["job 7 waits: PartitionTimeLimit"]
    assert "CANCELLED" in outcome.failed[0].message


def test_jobs_of_a_run_that_ends_are_cancelled_and_no_others(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    programs.script("sbatch", "echo 7")
    # in the queue: the job of this run, found by the name that sbatch was given, and one of a run on another subject
    programs.script(
        "squeue",
        "echo 7'|RUNNING|None|'$(grep -o 'qsmflow-[^ ]*' sbatch.words); echo '8|RUNNING|None|qsmflow-1.run.other'",
    )
    monkeypatch.setattr("qsmflow.engines.slurm.plugin.SLURMPlugin._poll", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, merge())
    assert programs.words("scancel") == ["--quiet 7"]


def test_without_slurm_nothing_is_computed_beside_jobs_that_were_left(tmp_path: Path, programs: Programs) -> None:
    workflow = Workflow("run", base_dir=str(tmp_path))
    workflow.add_nodes([ask(merge(), Need())])
    folder = tmp_path / "slurm"
    (folder / "jobs").mkdir(parents=True)
    left, other = f"7|RUNNING|None|{job_name(folder, 'run.merge')}", f"8|RUNNING|None|{job_name(folder, 'run.other')}"
    programs.add("squeue", f"{left}\n{other}\n")
    machine = Machine(1, 1.0)
    with pytest.raises(UsageError, match=r"jobs 7: .*--plugin SLURM, or end them with: scancel 7"):
        execute(workflow, machine, tmp_path / "crash")
    programs.add("squeue", f"{other}\n")
    assert execute(workflow, machine, tmp_path / "crash").executed == ("run.merge",)
    programs.add("squeue", error="Unable to contact slurm controller", status=1)
    assert execute(workflow, machine, tmp_path / "crash").cached == ("run.merge",)
