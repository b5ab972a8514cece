"""QSMnet (kernel 3, width 32) over the whole grid, of weights that no one trained: what a network costs.

Beside it, where it is installed, OpenVINO runs the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import torch

from benchmarks.harness import Case
from benchmarks.heads import TestHead
from qsmflow.nets import QSMnet
from qsmflow.nets.ready import ready
from qsmflow.nets.slabs import plan, run

Work = Callable[[], torch.Tensor]


def _field(head: TestHead, multiple: int) -> torch.Tensor:
    """The field on a grid of sizes that can be halved."""
    pad = [part for n in reversed(head.noisy.shape) for part in (0, -n % multiple)]
    return torch.nn.functional.pad(head.noisy, pad)[None]


def _torch(share: float, dtype: torch.dtype = torch.float32) -> Callable[[TestHead], Work]:
    """In that share of the memory that the whole volume takes."""

    def prepare(head: TestHead) -> Work:
        network = QSMnet(kernel=3)
        x = _field(head, network.multiple)
        prepared = ready(network, x.device, dtype)
        shape = tuple(x.shape[1:])
        whole = plan(prepared, shape, dtype.itemsize)
        how = plan(prepared, shape, dtype.itemsize, share * whole.bytes)
        return lambda: run(prepared, x, how, dtype)

    return prepare


def _openvino(head: TestHead) -> Work:
    import openvino

    network = QSMnet(kernel=3).eval()
    x = _field(head, network.multiple)[None]
    model = openvino.convert_model(network, example_input=x)
    model.reshape(list(x.shape))
    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return lambda: torch.from_numpy(compiled(x.numpy())[0])


def _work(given: Work) -> torch.Tensor:
    return given()


CASES = [
    Case("network", "qsmnet", _work, prepare=_torch(1.0)),
    Case("network", "qsmnet-slabs", _work, prepare=_torch(0.5)),
]
if torch.cuda.is_available():
    CASES.append(Case("network", "qsmnet-float16", _work, prepare=_torch(1.0, torch.float16)))
if find_spec("openvino"):
    CASES.append(Case("network", "qsmnet-openvino", _work, prepare=_openvino))
