"""qsmflow: quantitative susceptibility mapping from a BIDS dataset, on one machine or a cluster."""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# nipype and pydra would ask a server for their newest version, nipype when the first node is made
os.environ["NIPYPE_NO_ET"] = os.environ["NO_ET"] = "1"

#: What a notebook takes from here, by the module that it is in. That is imported when its first name is asked for, so
#: that help answers at once.
_NAMES = {
    "qsmflow.interfaces.volume": ("Volume", "load", "save"),
    "qsmflow.core.background": ("ismv", "lbv", "pdf", "resharp", "vsharp"),
    "qsmflow.core.inversion": (
        "cosmos",
        "cosmos_kspace",
        "ilsqr",
        "l2",
        "medi",
        "ndi",
        "rts",
        "tgv",
        "tkd",
        "tsvd",
        "tv",
        "whtv",
    ),
    "qsmflow.core.metrics": ("nrmse", "xsim"),
    "qsmflow.nets": ("predict",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'qsmflow' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
