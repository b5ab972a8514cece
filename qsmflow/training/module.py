"""A recipe as Lightning sees it: batches in, a loss out, a look at held-out volumes now and then."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from qsmflow.core.metrics import hfen, nrmse, nrmse_demeaned, xsim
from qsmflow.errors import QsmflowError
from qsmflow.nets.levels import Ladder
from qsmflow.nets.predict import infer

from .losses import weighted_sum
from .recipe import Recipe
from .sights import Batch, Sight
from .start import start
from .streams import open_stream

_METRICS = (nrmse, nrmse_demeaned, hfen, xsim)
_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}


class Numbered(IterableDataset[Batch | QsmflowError]):
    """The batches of one process of several, from a number on.

    What is wrong with the material comes from a worker in the place of a batch, since torch would put the worker's
    traceback into its message.

    Parameters
    ----------
    recipe, folder
        See `open_stream`.
    device
        Where they are made: that of the network, or the CPU where workers make them.
    first
        Step of the first.
    rank, ranks
        Which of how many processes train together: each has every batch of its own.
    """

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device, first: int, rank: int, ranks: int):
        self._recipe, self._folder, self._device = recipe, folder, device
        self._first, self._rank, self._ranks = first, rank, ranks

    def __iter__(self) -> Iterator[Batch | QsmflowError]:
        try:
            yield from self._batches()
        except QsmflowError as error:
            yield error

    def _batches(self) -> Iterator[Batch]:
        stream = open_stream(self._recipe, "training", self._folder, self._device)
        worker = get_worker_info()
        start, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in range(self._first + start, self._recipe.fit.steps, stride):
            yield stream.batch(step * self._ranks + self._rank)


class Training(lightning.LightningModule):
    """The network of a recipe, its loss, its optimiser and its material.

    Parameters
    ----------
    recipe
        See `Recipe`.
    folder
        Where what is slow to make is kept.
    workers
        Processes that make batches on the CPU beside the training; 0: it makes its own, on the device of the network.
    """

    def __init__(self, recipe: Recipe, folder: Path, workers: int = 0):
        super().__init__()
        self.recipe, self._folder, self._workers = recipe, folder, workers
        torch.manual_seed(recipe.fit.seed)
        self.card = recipe.card()
        self.network: Ladder = self.card.build()
        start(recipe, self.network)
        self.network.to(memory_format=self.network.layout)  # type: ignore[call-overload]
        self._held_out: list[Sight] = []
        #: ppm: the strongest field that was shown so far.
        self.largest = 0.0
        #: Step at which the held-out volumes were last looked at.
        self.looked_at = -1

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is no weight."""
        checkpoint["largest"] = self.largest

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Undo `on_save_checkpoint`."""
        self.largest = checkpoint["largest"]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Prediction in ppm, float32."""
        predicted: torch.Tensor = self.network(inputs.contiguous(memory_format=self.network.layout))
        return predicted.float() * self.card.output.sd + self.card.output.mean

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        """The weighted sum of the losses, averaged over the patches.

        Raises
        ------
        QsmflowError
            It is not finite.
        """
        self.largest = max(self.largest, float(batch.field.abs().max()))
        predicted = self(batch.inputs)
        totals, parts = [], []
        for place, target in enumerate(batch.targets()):
            total, named = weighted_sum(self.recipe.loss, predicted[place : place + 1], target)
            totals.append(total)
            parts.append(named)
        loss = torch.stack(totals).mean()
        if not bool(torch.isfinite(loss)):
            raise QsmflowError(
                f"step {self.global_step}: the loss is not finite; lower fit.learning_rate or set fit.clip, "
                "and take another --out"
            )
        told = {f"train/{name}": torch.stack([part[name] for part in parts]).mean() for name in parts[0]}
        self.log_dict({**told, "train/loss": loss.detach()}, batch_size=len(totals))
        self.log("loss", loss.detach(), prog_bar=True, logger=False, batch_size=len(totals))
        return loss

    def validation_step(self, batch: int, number: int) -> None:
        """Metrics of one held-out volume; the NRMSE of a map of zeros is 100."""
        sight = self._held_out[number]
        anything = dataclasses.replace(self.card, largest=math.inf)
        predicted, _ = infer(self.network, anything, sight.scene.scan, device=self.device.type, precision="float32")
        for metric in _METRICS:
            score = metric(predicted, sight.truth, sight.scene.mask)
            self.log(f"validation/{metric.__name__}", score, prog_bar=metric is nrmse, batch_size=1)
        if number == 0:
            self._draw(predicted, sight)

    def on_validation_epoch_end(self) -> None:
        """Remember when."""
        self.looked_at = self.global_step

    def _draw(self, predicted: torch.Tensor, sight: Sight) -> None:
        """Prediction, truth and difference side by side, in the middle slice, for TensorBoard."""
        at = predicted.shape[2] // 2
        slices = [volume[..., at].T.flip(0) for volume in (predicted, sight.truth, predicted - sight.truth)]
        wide = float(sight.truth.abs().quantile(0.99) if sight.truth.numel() < 2**24 else sight.truth.abs().max())
        picture = (torch.cat(slices, 1) / (2.0 * max(wide, 1e-9)) + 0.5).clamp(0.0, 1.0)
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("prediction, truth, difference", picture[None], self.global_step)

    def configure_optimizers(self) -> Any:
        """As the recipe says."""
        fit = self.recipe.fit
        options = {"weight_decay": fit.weight_decay} if fit.optimizer == "adamw" else {}
        optimizer = _OPTIMIZERS[fit.optimizer](self.network.parameters(), lr=fit.learning_rate, **options)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _factor(self, step: int) -> float:
        """Share of the largest learning rate at a step."""
        fit = self.recipe.fit
        rise = min(1.0, (step + 1) / fit.warmup) if fit.warmup else 1.0
        if fit.schedule == "cosine":
            return rise * 0.5 * (1.0 + float(torch.cos(torch.tensor(torch.pi * min(1.0, step / fit.steps)))))
        return rise * (fit.decay ** (step // fit.decay_steps) if fit.schedule == "step" else 1.0)

    def train_dataloader(self) -> DataLoader[Batch | QsmflowError]:
        """Goes on where the checkpoint stands."""
        device = torch.device("cpu") if self._workers else self.device
        batches = Numbered(
            self.recipe, self._folder, device, self.global_step, self.trainer.global_rank, self.trainer.world_size
        )
        return DataLoader(batches, batch_size=None, num_workers=self._workers)

    def val_dataloader(self) -> DataLoader[Any]:
        """The numbers of the held-out volumes, which are made once."""
        count = self.recipe.fit.validation_volumes
        if not self._held_out:
            stream = open_stream(self.recipe, "validation", self._folder, self.device)
            self._held_out = [stream.sight(number) for number in range(count)]
        return DataLoader(cast(Dataset[int], range(count)), batch_size=None)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Batches know how; held-out volumes are there.

        Raises
        ------
        QsmflowError
            That which came in the place of a batch.
        """
        if isinstance(batch, QsmflowError):
            raise batch
        return batch.to(device) if isinstance(batch, Batch) else batch
