"""Training as a user calls it: it learns, is killed and goes on, and what it writes can be loaded."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from qsmflow.cli.main import main
from qsmflow.errors import InputError, QsmflowError, UsageError
from qsmflow.nets.weights import load
from qsmflow.settings import ConfigError, from_table, to_toml
from qsmflow.training.fit import train
from qsmflow.training.module import Training
from qsmflow.training.recipe import FOLDER, Recipe, read_recipe
from tests.training.test_streams import cosmos_output

pytest.importorskip("lightning")

TINY = {
    "name": "tiny",
    "network": "UNet",
    "inputs": ["field", "mask"],
    "parameters": {"inputs": 2, "width": 4, "levels": 2},
    "loss": {"l1": 1.0, "model": 0.5, "gradient": 0.1},
    "data": {"kind": "cubes", "patch": 16},
    "fit": {"steps": 60, "batch": 2, "validate_steps": 25, "checkpoint_minutes": 1e-3},
}


def command(recipe: Path, out: Path, devices: int = 1) -> list[str]:
    out_of = ["--out", str(out), "--device", "cpu", "--devices", str(devices)]
    return [sys.executable, "-m", "qsmflow", "train", str(recipe), *out_of]


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(devices: int, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(to_toml(from_table(Recipe, TINY)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = command(recipe, tmp_path / "whole", devices)
    done = subprocess.run(whole, env=environment, check=True, capture_output=True, text=True, timeout=300)
    assert (done.stdout + done.stderr).count("tiny.safetensors") == 1, (
        "processes that train together speak with one voice"
    )

    broken = tmp_path / "broken"
    checkpoint = broken / "checkpoints" / "last.ckpt"
    command_again = command(recipe, broken, devices)
    process = subprocess.Popen(command_again, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    while not checkpoint.is_file():
        assert process.poll() is None, "it ended before a checkpoint was written"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stopped_at = torch.load(checkpoint, weights_only=False)["global_step"]
    assert 0 < stopped_at < 60

    subprocess.run(command_again, env=environment, check=True, capture_output=True, timeout=300)
    expected, _ = load(tmp_path / "whole" / "tiny.safetensors")
    found, card = load(broken / "tiny.safetensors")
    for (name, one), other in zip(expected.state_dict().items(), found.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0, msg=name)
    assert card.training["steps"] == 60
    assert card.training["patches"] == 60 * 2 * devices

    written = (broken / "tiny.safetensors").stat().st_mtime_ns
    subprocess.run(command_again, env=environment, check=True, capture_output=True, timeout=300)
    assert (broken / "tiny.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.parametrize("card", ["none", "of others", "torn"])
def test_a_run_stopped_while_it_wrote_its_weights_goes_on(checkpoint: bool, card: str, tmp_path: Path) -> None:
    short = from_table(Recipe, {**TINY, "fit": {**TINY["fit"], "steps": 3, "validate_steps": 3}})
    weights = train(short, tmp_path, device="cpu")
    expected, _ = load(weights)
    if not checkpoint:
        (tmp_path / "checkpoints" / "last.ckpt").unlink(missing_ok=True)
    if card == "none":
        weights.with_suffix(".json").unlink()
    elif card == "torn":
        weights.with_suffix(".json").write_text('{"name": "ti')
    else:
        weights.write_bytes(b"weights of a later step")
    train(short, tmp_path, device="cpu")
    found, _ = load(weights)
    for (name, one), other in zip(expected.state_dict().items(), found.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0, msg=name)
    assert not [path for path in tmp_path.iterdir() if path.suffix == f".{os.getpid()}"]


def test_it_learns(tmp_path: Path) -> None:
    table = {**TINY, "loss": {"l2": 1.0}, "fit": {**TINY["fit"], "steps": 150, "learning_rate": 5e-3, "ema": 0.9}}
    weights = train(from_table(Recipe, table), tmp_path, device="cpu")
    _, card = load(weights)
    assert card.scores["validation NRMSE, %"] < 90
    assert (tmp_path / "log").is_dir()
    assert list(tmp_path.glob("log/*/events*"))


def test_the_moving_average_is_written_and_scored(tmp_path: Path) -> None:
    """Once while it fits, at a look at the last step, and once after it."""
    fit = {"steps": 12, "batch": 2, "learning_rate": 1e-2, "schedule": "constant"}
    written = {}
    for ema, looks in ((0.9, 12), (0.9, 8), (0.0, 12)):
        recipe = from_table(Recipe, {**TINY, "fit": {**fit, "ema": ema, "validate_steps": looks}})
        written[ema, looks] = load(train(recipe, tmp_path / f"{ema}-{looks}", device="cpu"))
    (looked, card), (after, other), (last, _) = written.values()
    for name, value in looked.state_dict().items():
        torch.testing.assert_close(value, after.state_dict()[name], rtol=0, atol=0, msg=name)
    assert card.scores == other.scores
    assert not torch.equal(looked.head.weight, last.head.weight)


def test_a_folder_of_another_recipe_is_refused(tmp_path: Path) -> None:
    short = from_table(Recipe, {**TINY, "fit": {**TINY["fit"], "steps": 2}})
    train(short, tmp_path, device="cpu")
    with pytest.raises(InputError, match="another recipe"):
        train(from_table(Recipe, TINY), tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss": {"l3": 1.0}}, "l3"),
        ({"network": "VNet"}, "network"),
        ({"inputs": ["field"]}, "takes 2"),
        ({"inputs": ["field", "colour"]}, "colour"),
        ({"data": {"kind": "cosmos"}}, "data.folder"),
        ({"loss": {"l1": -1.0}}, "loss.l1"),
        ({"loss": {"l1": True}}, "loss.l1"),
        ({"loss": {"l1": 0.0, "l2": 0}}, "loss: every weight is 0"),
        ({"fit": {"optimizer": "sgd"}}, "sgd"),
        ({"fit": {"learning_rate": 0.0}}, "fit.learning_rate"),
        ({"fit": {"steps": 10, "warmup": 11}}, "fit.warmup"),
        ({"data": {"kind": "cubes", "patch": 18}}, "data.patch: 18 is no multiple of 4"),
        ({"parameters": {"inputs": 2, "levels": 40}}, "parameters"),
        ({"data": {"kind": "cubes", "patch": 16, "noise": [0.0, -0.1]}}, "data.noise"),
        ({"data": {"kind": "cubes", "patch": 16, "noise": ["much"]}}, "data.noise"),
        ({"data": {"kind": "cubes", "patch": 16, "noise": [True]}}, "data.noise"),
        ({"data": {"kind": "cubes", "patch": 16, "overlap": 0.5}}, "data.overlap"),
        ({"data": {"kind": "cubes", "patch": 16, "rotation": 20.0}}, "data.rotation"),
        ({"data": {"kind": "cubes", "patch": 16, "folder": "here"}}, "data.folder"),
        ({"data": {"kind": "cubes", "patch": 16, "window": 2}}, "data.window"),
        ({"data": {"kind": "cosmos", "patch": 8, "overlap": 0.95, "folder": "here"}}, "data.overlap"),
        ({"inputs": ["field", "field"]}, "inputs: field more than once"),
        ({"inputs": ["mask", "noise"], "output": "field"}, "inputs: output field"),
        ({"frame": "native"}, "inputs: field, mask do not tell"),
        ({"output": "field"}, "loss.model: takes the field of a susceptibility"),
        ({"parameters": {"inputs": 2, "width": 4, "levels": 2, "dims": 2}}, "loss.model: takes the field"),
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
    ],
)
def test_bad_recipes_are_one_line(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = tmp_path / "bad.toml"
    merged = {**TINY, **change}
    lines = [f"{key} = {json.dumps(value)}" for key, value in merged.items() if not isinstance(value, dict)]
    for key, value in merged.items():
        if isinstance(value, dict):
            lines += [f"[{key}]", *(f"{name} = {json.dumps(one)}" for name, one in value.items())]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=told) as found:
        read_recipe(path)
    assert str(found.value).count("bad.toml") == 1 and "\n" not in str(found.value)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_of_the_package_can_be_read(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    recipe = read_recipe(path.stem, tmp_path if 'kind = "cosmos"' in text else None)
    assert recipe.name == path.stem.removesuffix("_light")
    assert recipe.card().build().inputs == len(recipe.inputs)


def test_faults_of_the_folder_are_told(tmp_path: Path) -> None:
    recipe = from_table(Recipe, TINY)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be made"):
        train(recipe, tmp_path / "file", device="cpu")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_bytes(b"PK, and no more")
    with pytest.raises(InputError, match=r"last.ckpt: cut short or damaged; delete it"):
        train(recipe, tmp_path / "run", device="cpu")
    torch.save({"weights": torch.rand(3000)}, last)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    with pytest.raises(InputError, match=r"last.ckpt: cut short or damaged"):
        train(recipe, tmp_path / "run", device="cpu")


def test_a_folder_without_labels_leaves_no_run(tmp_path: Path) -> None:
    data = {"kind": "cosmos", "patch": 16, "folder": str(tmp_path)}
    with pytest.raises(InputError, match="no COSMOS label"):
        train(from_table(Recipe, {**TINY, "data": data}), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    fit = {**TINY["fit"], "steps": 40, "learning_rate": 1e30, "clip": 0.0}
    with pytest.raises(QsmflowError, match=r"step \d+: the loss is not finite; lower fit.learning_rate"):
        train(from_table(Recipe, {**TINY, "fit": fit}), tmp_path, device="cpu")
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=["gpu", "cpu"],
)
def test_too_little_memory_is_told(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(Training, "forward", full)
    with pytest.raises(QsmflowError, match=r"lower its fit.batch or data.patch"):
        train(from_table(Recipe, TINY), tmp_path, device="cpu")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        to_toml(from_table(Recipe, {**TINY, "fit": {**TINY["fit"], "steps": 2, "checkpoint_minutes": 9.0}}))
    )
    done = subprocess.run(
        command(recipe, tmp_path / "run"),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert "tiny.safetensors: cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "run").glob("tiny*"))


def test_only_cosmos_takes_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes no --data"):
        read_recipe("deepqsm", tmp_path)


def test_what_workers_find_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = cosmos_output(tmp_path / "out", heads=3)
    for mask in labels.glob("sub-[12]/anat/*_mask.nii.gz"):  # of the heads that are not held out
        mask.write_bytes(b"")
    recipe = tmp_path / "tiny.toml"
    data = {"kind": "cosmos", "patch": 16, "folder": str(labels)}
    recipe.write_text(to_toml(from_table(Recipe, {**TINY, "data": data})))
    assert main(["train", str(recipe), "--out", str(tmp_path / "run"), "--device", "cpu", "--workers", "2"]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error" in line)
    assert "_mask.nii.gz: cannot be read" in line and "Traceback" not in line and len(line) < 400


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_so(signalled: signal.Signals, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(to_toml(from_table(Recipe, {**TINY, "fit": {**TINY["fit"], "steps": 100_000}})))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = command(recipe, tmp_path / "run")
    with subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file():
                assert process.poll() is None, "it ended before a checkpoint was written"
                time.sleep(0.01)
            process.send_signal(signalled)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "interrupted; what is finished is kept" in told and "Traceback" not in told


def one_task_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process as SLURM starts the only one of a job."""
    told = {"NTASKS": "1", "NTASKS_PER_NODE": "1", "JOB_NAME": "train", "JOB_ID": "5"}
    for name, value in {**told, "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


def test_devices_and_nodes_that_are_not_there_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = from_table(Recipe, TINY)
    with pytest.raises(UsageError, match="--nodes 2: nothing tells of the others"):
        train(recipe, tmp_path, device="cpu", nodes=2)
    one_task_of_slurm(monkeypatch)
    with pytest.raises(UsageError, match=r"--devices 2 --nodes 1: .*ntasks-per-node=1"):
        train(recipe, tmp_path, device="cpu", devices=2)


def test_checkpoints_in_the_folder_where_it_is_called_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as Lightning leaves of a job that SLURM queues again."""
    monkeypatch.chdir(tmp_path)
    one_task_of_slurm(monkeypatch)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    short = from_table(Recipe, {**TINY, "fit": {**TINY["fit"], "steps": 2}})
    assert train(short, tmp_path / "run", device="cpu").is_file()


def test_a_start_logs_into_one_folder(tmp_path: Path) -> None:
    train(from_table(Recipe, {**TINY, "fit": {**TINY["fit"], "steps": 2}}), tmp_path, device="cpu")
    (version,) = (tmp_path / "log").iterdir()
    assert (version / "metrics.csv").is_file() and list(version.glob("events*"))
