"""The studies by name; what each is stands in the docstring of its module, which is read without loading it."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .study import Study

#: In the order in which `all` runs them.
NAMES = (
    "challenge",
    "noise",
    "denoiser",
    "scale",
    "linearity",
    "regularisation",
    "background",
    "grids",
    "orientation",
    "timing",
    "loss",
    "patch",
)


def about(name: str) -> str:
    """What a study is, in full; its first line is a summary."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def load(name: str) -> Study:
    """The study called `name`, one of `NAMES`."""
    study: Study = importlib.import_module(f"qsmflow.studies.{name}").STUDY
    return study
