"""In slabs as whole, and within the memory that was said."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from qsmflow.nets import SIQSM, DeepQSM, Denoiser, PackedUNet, QSMnet, UNet
from qsmflow.nets.levels import Ladder
from qsmflow.nets.ready import ready
from qsmflow.nets.slabs import Plan, plan, run


def random(network: Ladder) -> Ladder:
    """Weights and statistics that no normalisation makes trivial."""
    torch.manual_seed(1)
    if isinstance(network, PackedUNet):  # whose head starts at zero
        nn.init.normal_(network.head.weight)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return network.eval()


@pytest.mark.parametrize(
    "network",
    [
        QSMnet(width=4, kernel=3),
        UNet(width=4, levels=2, kernel=5, residual=True, inputs=2),
        UNet(width=4, levels=2, kernel=1),
        SIQSM(width=8),
        PackedUNet(inputs=3, width=8, levels=1),
        Denoiser(width=4, levels=2),
    ],
    ids=["qsmnet", "kernel5", "kernel1", "siqsm", "packed", "denoiser"],
)
def test_slabs_give_what_the_whole_gives(network: Ladder) -> None:
    network = random(network).double()
    x = torch.randn(network.inputs, 96, 16, 16)
    with torch.inference_mode():
        wanted = network(x[None].double())[0]
    network = ready(network)
    assert not any(isinstance(layer, nn.BatchNorm3d) for layer in network.modules()) or isinstance(network, SIQSM)
    for rows in ((), (8,), (10, 8), (32, 8)):
        found = run(network, x, Plan(rows, 0))
        assert float((found - wanted).norm() / wanted.norm()) < 1e-5, rows


def test_slices_are_computed_so_many_at_once() -> None:
    network = random(Denoiser(dims=2, width=4, levels=2))
    x = torch.randn(2, 16, 24, 7)
    with torch.inference_mode():
        wanted = torch.stack([network(x[None, ..., z])[0] for z in range(7)], -1)
    for at_once in (3, 7):
        torch.testing.assert_close(run(ready(network), x, Plan((at_once,), 0)), wanted, atol=1e-5, rtol=1e-5)


def test_a_plan_takes_no_more_than_it_is_given() -> None:
    network = QSMnet(width=8, kernel=3)
    shape = (160, 160, 160)
    whole = plan(network, shape)
    assert whole.rows == ()
    for share in (1.0, 0.5, 0.25):
        made = plan(network, shape, memory=share * whole.bytes)
        assert made.bytes <= share * whole.bytes
        assert (len(made.rows) > 0) == (share < 1) and all(r >= 8 for r in made.rows)
    with pytest.raises(ValueError, match=r"needs \d+(\.\d)? MB, and 20 MB are given; give 0\.\d+ GB"):
        plan(network, shape, memory=0.02e9)
    assert plan(Denoiser(dims=2, width=8), shape, memory=0.1e9).rows[0] < 160
    with pytest.raises(ValueError, match=r"^memory: "):
        plan(Denoiser(dims=2, width=8), shape, memory=1e6)


SCRIPT = """
import pathlib, torch
torch.set_num_threads(1)
from qsmflow.nets import {name}
from qsmflow.nets.ready import ready
from qsmflow.nets.slabs import plan, run
def peak():
    return 1024 * int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
network = ready({name}({options}))
x = torch.zeros(network.inputs, *{shape})
how = plan(network, tuple(x.shape[1:]), memory={share} * plan(network, tuple(x.shape[1:])).bytes)
run(network, torch.zeros(network.inputs, 16, 16, 16), plan(network, (16, 16, 16)))
before = peak()
run(network, x, how)
print((peak() - before) / how.bytes)
"""


@pytest.mark.parametrize(
    ("name", "options", "share"),
    [
        ("QSMnet", "width=16, kernel=3", 1.0),
        ("QSMnet", "width=16, kernel=3", 0.35),
        ("SIQSM", "width=8", 1.0),
        ("SIQSM", "width=8", 0.6),
        ("Denoiser", "dims=2, width=16", 0.3),
    ],
)
def test_memory_is_what_the_plan_says(name: str, options: str, share: float) -> None:
    script = SCRIPT.format(name=name, options=options, share=share, shape=(96, 96, 96))
    exact = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed is given back
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=exact)
    assert 0.4 < float(done.stdout) < 1.0


def test_deepqsm_runs_as_it_is() -> None:
    assert run(ready(DeepQSM(width=2)), torch.zeros(1, 16, 16, 16), Plan((), 0)).shape == (1, 16, 16, 16)
