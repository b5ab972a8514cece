"""A cohort of small subjects through a real SLURM, from raw images to the group's page, and what that costs.

    python -m benchmarks.cohort --subjects 200                    # qsmflow slurm: one subject a task, then the group
    python -m benchmarks.cohort --subjects 20 --nodes             # qsmflow run --plugin SLURM: one node a job
    python -m benchmarks.cohort --subjects 5 -- --inversion medi  # words for qsmflow

copies the files of one simulated subject under many names, starts a cluster of this machine (see
`tests/cluster/local_slurm.py`), and runs every stage of every subject, the report included. It prints a Markdown table,
and ends with 1 where anything is not as it must be: every job COMPLETED, every subject finished, its maps the same
bytes as those of a run without SLURM, all of them in the group's tables, and nothing left for `qsmflow run`.

The brain mask takes half the time of so small a subject; `--supply-mask` gives all of them that of the first.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import copies, label, multiply
from qsmflow.cli.slurm import run_words
from tests.cluster.local_slurm import LocalSlurm, missing
from tests.cluster.scene import Run

#: Coarse, and fine enough for every stage.
VOXEL_MM = "8"
#: Of every run: networks ask for more processors than the nodes of the cluster have.
PLAIN = ("--inversion", "tkd", "l2")


@dataclass
class Job:
    """What the accounting knows of a job, or of a task of an array."""

    state: str
    cpu_seconds: float
    peak_gb: float = 0.0


def accounted(cluster: LocalSlurm) -> dict[str, Job]:
    """All jobs of `cluster` by their ids."""
    jobs: dict[str, Job] = {}
    words = ["--noheader", "--parsable2", "--units=K", "--starttime=1970-01-01"]
    for line in cluster.command("sacct", *words, "--format=JobID,State,TotalCPU,MaxRSS").splitlines():
        number, state, cpu, peak = line.split("|")
        job, _, step = number.partition(".")
        if step:  # of these alone, which stand behind their job, memory is told
            jobs[job].peak_gb = max(jobs[job].peak_gb, float(peak.rstrip("K") or 0) * 1024 / 1e9)
        else:
            jobs[job] = Job(state, seconds(cpu))
    return jobs


def seconds(text: str) -> float:
    """Of a time as SLURM writes it: ``[days-][hours:]minutes:seconds``."""
    days, _, rest = text.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = 60 * total + float(part)
    return total + 86400 * int(days or 0)


def maps(out: Path, subject: str) -> dict[str, bytes]:
    """All images of a subject by what their names say beside it."""
    return {path.name.removeprefix(subject): path.read_bytes() for path in (out / subject).rglob("*.nii.gz")}


def run_first(cluster: LocalSlurm, folder: Path) -> Path:
    """Run ``sub-01`` here, without SLURM; returns the derivatives."""
    here = folder / "here"
    run = ["qsmflow", "run", folder / "bids", here, "participant", "--participant-label", "01", "--plugin", "Linear"]
    Run(cluster, folder / "here.txt", *run, *PLAIN).process.wait()
    return here


def supply_mask(folder: Path, here: Path, subjects: int) -> list[str]:
    """The brain mask of ``sub-01`` in `here` as that of all; returns the words that say so."""
    masks = folder / "masks"
    (masks / "sub-01" / "anat").mkdir(parents=True)
    for path in [here / "dataset_description.json", *here.glob("sub-01/anat/*_desc-brain_mask.*")]:
        shutil.copy(path, masks / path.relative_to(here))
    multiply(masks, subjects)
    return ["-d", f"mask={masks}"]


def submit_array(cluster: LocalSlurm, folder: Path, words: list[str], at_once: int) -> None:
    """`qsmflow slurm`, and what is submitted by it to its end."""
    out = folder / "out"
    run = ["qsmflow", "slurm", folder / "bids", out, "participant", "--slurm-cpus", "1", "--slurm-jobs", at_once]
    lines = Run(cluster, folder / "slurm.txt", *run, *PLAIN, *words).ends(0)
    (line,) = [line for line in lines.splitlines() if "submit them by: " in line]
    for command in line.partition("submit them by: ")[2].split("; "):
        cluster.command(*command.split())
    ended = 0
    while cluster.jobs():
        time.sleep(5)
        done = len(list(out.glob("sub-*.html")))
        if done >= ended + 10:
            ended = done
            print(f"{done} subjects", file=sys.stderr, flush=True)


def run_nodes(cluster: LocalSlurm, folder: Path, words: list[str], at_once: int) -> None:
    """`qsmflow run --plugin SLURM`, and the group; a stage is a job where it is not one of the quickest."""
    run = ["qsmflow", "run", folder / "bids", folder / "out"]
    slurm = ["--plugin", "SLURM", "--slurm-jobs", at_once, "--slurm-poll", "1", "--slurm-local-minutes", "0.2"]
    Run(cluster, folder / "run.txt", *run, "participant", *slurm, *PLAIN, *words).process.wait()
    Run(cluster, folder / "group.txt", *run, "group").process.wait()


def faults(cluster: LocalSlurm, folder: Path, subjects: list[str], here: Path, words: list[str]) -> list[str]:
    """Everything that is not as it must be, a line each."""
    out = folder / "out"
    found = [f"job {job}: {one.state}" for job, one in accounted(cluster).items() if one.state != "COMPLETED"]
    expected = maps(here, "sub-01")
    found += [f"{subject}: not finished" for subject in subjects if not (out / f"{subject}.html").exists()]
    found += [f"{subject}: other maps than without SLURM" for subject in subjects if maps(out, subject) != expected]
    table = out / "group_quality.tsv"
    told = {line.split("\t")[0] for line in table.read_text().splitlines()} if table.exists() else set()
    found += [f"{subject}: not in the group's tables" for subject in subjects if subject not in told]
    run = ["qsmflow", "run", folder / "bids", out, "participant", "--skip-bids-validation"]
    again = Run(cluster, folder / "again.txt", *run, *PLAIN, *run_words(words))
    again.process.wait()
    if not re.search(r"\b0 nodes executed, [1-9]\d* found finished, 0 failed", again.said):
        found.append(f"the run after it: {' '.join(again.said.split())[-300:]}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--nodes", action="store_true", help="one node a job instead of one subject")
    parser.add_argument("--at-once", type=int, default=1, help="jobs that run at a time (default: 1)")
    parser.add_argument("--supply-mask", action="store_true", help="of all subjects, the first one's")
    parser.add_argument("words", nargs="*", help="more words for qsmflow, behind --")
    args = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name, LocalSlurm(Path(name, "slurm")) as cluster:
        folder = Path(name)
        copies(folder / "bids", args.subjects, "--voxel-size", VOXEL_MM)
        here = run_first(cluster, folder)
        words = args.words + (supply_mask(folder, here, args.subjects) if args.supply_mask else [])
        began = time.monotonic()
        (run_nodes if args.nodes else submit_array)(cluster, folder, words, args.at_once)
        wall = time.monotonic() - began
        jobs = accounted(cluster)
        subjects = [label(number) for number in range(1, args.subjects + 1)]
        wrong = faults(cluster, folder, subjects, here, words)
        cpu = sum(job.cpu_seconds for job in jobs.values()) / args.subjects
        peak = max(job.peak_gb for job in jobs.values())
        states = ", ".join(f"{count} {state}" for state, count in Counter(job.state for job in jobs.values()).items())
        print("| a job is | subjects | jobs | s | CPU s of the jobs, a subject | most GB of a job | faults |")
        print("|---|---|---|---|---|---|---|")
        kind = "a stage" if args.nodes else "a subject, the last one the group"
        print(f"| {kind} | {args.subjects} | {states} | {wall:.0f} | {cpu:.1f} | {peak:.2f} | {len(wrong)} |")
        for line in wrong:
            print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
