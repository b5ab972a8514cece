"""Print what training costs: ``python -m benchmarks.training [--device cuda] [--batch N] [--threads N] [RECIPE ...]``.

Each recipe of the package trains on noise in a process of its own: patches a second and peak memory. Where its material
is drawn, rather than read, the patches a second that are drawn on the same device stand beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from qsmflow.studies.cost import peak, reset_peak
from qsmflow.training.losses import Target, weighted_sum
from qsmflow.training.recipe import FOLDER, Recipe, read_recipe
from qsmflow.training.streams import open_stream

_COLUMNS = ("recipe", "parameters", "patch", "batch", "patches/s", "peak, GiB", "material, patches/s")


def main() -> int:
    """Measure and print Markdown."""
    if sys.argv[1:2] == ["--child"]:
        name, device, batch, threads = sys.argv[2:]
        if int(threads):
            torch.set_num_threads(int(threads))
        print(json.dumps(_measure(name, device, int(batch))))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="of the package; without one all")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=1, help="patches of a step; 0: as the recipe says")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch")
    args = parser.parse_args()
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}", flush=True)
    for name in args.recipes or sorted(path.stem for path in FOLDER.glob("*.toml")):
        command = [sys.executable, "-m", "benchmarks.training", "--child", name, args.device]
        command += [str(args.batch), str(args.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
        print(f"| {' | '.join([name, *json.loads(done.stdout.splitlines()[-1])])} |", flush=True)
    return 0


def _measure(name: str, device: str, batch: int) -> list[str]:
    """The cells of one row."""
    text = (FOLDER / f"{name}.toml").read_text()
    recipe = read_recipe(name, Path() if 'kind = "cosmos"' in text else None)
    batch = batch or recipe.fit.batch
    network = recipe.card().build().to(device).train()
    optimizer = torch.optim.Adam(network.parameters())
    shape = (batch, len(recipe.inputs), *[recipe.data.patch] * network.dims)
    inputs = torch.randn(shape, device=device)
    volume = 0.05 * inputs[:, :1]
    target = Target(volume, torch.ones_like(volume), volume)
    before = reset_peak(device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss, _ = weighted_sum(recipe.loss, network(inputs), target)
        loss.backward()
        optimizer.step()

    seconds = _seconds(step, device)
    taken = (peak(device) - before) / 2**30
    count = sum(parameter.numel() for parameter in network.parameters())
    rate = f"{batch / seconds:.2g}"
    cells = [f"{count:,}", f"{recipe.data.patch}^{network.dims}", str(batch), rate, f"{taken:.1f}"]
    return [*cells, _material(recipe, device)]


def _material(recipe: Recipe, device: str) -> str:
    """Patches a second that are drawn; of heads, over the batches for which a head stays."""
    if recipe.data.kind == "cosmos":
        return "read"
    batches = recipe.data.renew if recipe.data.kind == "heads" else 1
    with tempfile.TemporaryDirectory() as folder:
        # one anatomy: it is made before the clock starts, and kept in a real run
        if recipe.data.kind == "heads":
            recipe = replace(recipe, data=replace(recipe.data, anatomies=1, window=1))
        stream = open_stream(recipe, "training", Path(folder), torch.device(device))
        stream.batch(0)
        first = batches

        def draw() -> None:
            nonlocal first
            for number in range(first, first + batches):
                stream.batch(number)
            first += batches

        return f"{batches * recipe.fit.batch / _seconds(draw, device):.2g}"


def _seconds(work: Callable[[], None], device: str) -> float:
    """Best of two after a first."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    sys.exit(main())
