"""Trains a recipe, goes on where it stopped, and writes weights and card."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

import qsmflow
from qsmflow.errors import InputError, QsmflowError, UsageError
from qsmflow.nets.weights import SUFFIX, save
from qsmflow.settings import to_toml

from .folder import finished, keep, refuse_damaged, refuse_other
from .module import Training
from .recipe import Recipe
from .start import named
from .streams import open_stream

_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class _Average(WeightAveraging):
    """Moving average of weights and running statistics, shorter at first, so that the start is soon forgotten.

    After n steps the decay is ``(1 + n) / (10 + n)``, and `decay` at most.
    """

    def __init__(self, decay: float):
        def average(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
            if not new.is_floating_point():
                return new
            n = float(count)
            return torch.lerp(new, kept, min(decay, (1.0 + n) / (10.0 + n)))

        super().__init__(avg_fn=average, use_buffers=True)


class _Clock(Callback):
    """Hours of training over all starts."""

    def __init__(self) -> None:
        self.hours = 0.0
        self._since = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        now = time.monotonic()
        self.hours, self._since = self.hours + (now - self._since) / 3600.0, now
        return {"hours": self.hours}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.hours = state_dict["hours"]


class _Export(Callback):
    """Writes weights and card after each look at the held-out volumes, and at the end.

    It must come before `_Average` among the callbacks, which puts the moving average into the module while it is
    validated, and takes it out again in the same hook.
    """

    def __init__(self, path: Path, clock: _Clock):
        self._path, self._clock = path, clock

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking and isinstance(pl_module, Training):
            write_weights(pl_module, self._path, trainer, self._clock.state_dict()["hours"])


def write_weights(module: Training, path: Path, trainer: lightning.Trainer, hours: float) -> None:
    """Weights and card of a network as it stands."""
    score = trainer.callback_metrics.get("validation/nrmse")
    recipe = module.recipe
    started = {"start": named(recipe)} if recipe.start else {}
    card = recipe.card(
        module.largest,
        {} if score is None else {"validation NRMSE, %": round(float(score), 2)},
        **started,
        data=to_toml(recipe.data),
        steps=trainer.global_step,
        patches=trainer.global_step * recipe.fit.batch * trainer.world_size,
        hardware=_hardware(module.device, trainer.world_size),
        hours=round(hours, 2),
        version=qsmflow.__version__,
        commit=_commit(),
        command=" ".join(["qsmflow", *map(shlex.quote, sys.argv[1:])]),
        seeds=[recipe.fit.seed],
    )
    save(module.network, card, path)


def train(
    recipe: Recipe, folder: Path, *, device: str = "auto", devices: int = 1, nodes: int = 1, workers: int = 0
) -> Path:
    """Train, from the last checkpoint in `folder` if there is one.

    Parameters
    ----------
    recipe
        What to train. It is kept in the folder, and a folder of another recipe is refused.
    folder
        Gets ``recipe.toml``, ``checkpoints/``, ``log/`` (CSV and TensorBoard), ``material/`` and the weights.
    device
        ``cpu``, ``cuda``, or ``auto``: CUDA where there is one.
    devices, nodes
        How many; more than one train together (DDP), under SLURM too.
    workers
        Processes that make batches on the CPU; 0: made on the device of the network.

    Returns
    -------
    Path
        The weight file.

    Raises
    ------
    InputError
        The folder is that of another recipe or cannot be written, its checkpoint is damaged, there are no labels, or
        `device` is ``cuda`` and there is none.
    ConfigError
        The recipe cannot start from the weights that it names.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA device; take --device cpu or mend the driver")
    refuse_other(recipe, folder)
    weights, last = folder / f"{recipe.name}{SUFFIX}", folder / "checkpoints" / "last.ckpt"
    if finished(weights, recipe):
        return weights
    refuse_damaged(last)
    # labels and weights that are not there are told before anything is written
    open_stream(recipe, "training", folder / "material", torch.device("cpu"))
    module = Training(recipe, folder / "material", workers)
    keep(recipe, folder)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty", UserWarning)  # to go on
    warnings.filterwarnings("ignore", "The `srun` command is available", UserWarning)
    warnings.filterwarnings("ignore", ".*sync_dist=True", UserWarning)  # all processes look at the same volumes
    trainer = _trainer(recipe, folder, device, devices, nodes)
    with _told(folder):
        trainer.fit(module, ckpt_path=last if last.is_file() else None)
        # known to every process alike, where the file of the first may not be there yet
        if module.looked_at != recipe.fit.steps:
            trainer.validate(module, verbose=False)  # which writes the weights
    return weights


def _trainer(recipe: Recipe, folder: Path, device: str, devices: int, nodes: int) -> lightning.Trainer:
    """Lightning as the recipe says.

    Raises
    ------
    UsageError
        There are not so many devices, or nothing tells the nodes of each other.
    """
    fit = recipe.fit
    clock = _Clock()
    weights = folder / f"{recipe.name}{SUFFIX}"
    checkpoints = ModelCheckpoint(
        folder / "checkpoints",
        "last",
        train_time_interval=timedelta(minutes=fit.checkpoint_minutes),
        save_top_k=1,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [clock, checkpoints, _Export(weights, clock)]
    if fit.ema:
        callbacks.append(_Average(fit.ema))
    table = CSVLogger(folder, "log")
    try:
        trainer = lightning.Trainer(
            accelerator="cpu" if device == "cpu" or not torch.cuda.is_available() else "gpu",
            devices=devices,
            num_nodes=nodes,
            max_steps=fit.steps,
            max_epochs=-1,
            precision=_PRECISION[fit.precision],
            gradient_clip_val=fit.clip or None,
            val_check_interval=min(fit.validate_steps, fit.steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            callbacks=callbacks,
            logger=[table, TensorBoardLogger(folder, "log", table.version)],
            default_root_dir=folder,  # where a job that SLURM queues again finds its checkpoint
            use_distributed_sampler=False,
            deterministic="warn",
            enable_model_summary=False,
            enable_progress_bar=sys.stderr.isatty(),
        )
        environment = getattr(trainer.strategy, "cluster_environment", None)
        if environment is not None:
            environment.validate_settings(devices, nodes)
    except (MisconfigurationException, ValueError) as error:
        raise UsageError(f"--devices {devices} --nodes {nodes}: {error}") from error
    if nodes > 1 and isinstance(environment, LightningEnvironment) and "MASTER_ADDR" not in os.environ:
        raise UsageError(
            f"--nodes {nodes}: nothing tells of the others; start it by srun in a SLURM job, or by torchrun"
        )
    return trainer


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What ends a run early, as the command line knows it.

    Raises
    ------
    KeyboardInterrupt
        It was interrupted or terminated, where Lightning leaves with exit codes 1 and 0.
    QsmflowError
        Something cannot be written, or memory does not suffice.
    """
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    except OSError as error:
        raise QsmflowError(f"{folder}: {error}; mend it, and the same command goes on") from error
    except RuntimeError as error:
        # torch has a class for this of a GPU alone
        if not isinstance(error, torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        raise QsmflowError(
            f"{folder}: too little memory for this recipe; lower its fit.batch or data.patch, and take another --out"
        ) from error


def is_first() -> bool:
    """Whether this process is the first of those that train together."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def _hardware(device: torch.device, count: int) -> str:
    if device.type == "cuda":
        return f"{count} x {torch.cuda.get_device_name(device)}"
    return f"{count} x CPU, {torch.get_num_threads()} threads"


def _commit() -> str:
    """Of the source, if it is a git checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
