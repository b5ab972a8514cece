"""Writes the pages of the reference that the program itself knows: verbs, stages and settings."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

from qsmflow.cli.main import build_parser
from qsmflow.cli.stage import stage_parser
from qsmflow.config import Config
from qsmflow.engines.resources import Resources
from qsmflow.interfaces.stages import stages
from qsmflow.settings import Settings, preset_path, presets


def write(folder: Path) -> None:
    """Write ``verbs.md``, ``stages.md`` and ``settings.md`` to `folder`."""
    os.environ["COLUMNS"] = "88"  # what argparse breaks its lines at
    folder.mkdir(exist_ok=True)
    for name, text in (("verbs", verbs()), ("stages", one_stage()), ("settings", settings())):
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:  # what has not changed is not built again
            path.write_text(text)


def verbs() -> str:
    """The help of every verb."""
    return "# Verbs\n\n" + "".join(_help(verb) for verb in _below(build_parser()))


def one_stage() -> str:
    """What every stage asks for, and its help."""
    asked = "".join(_asked(name, interface.resources) for name, interface in stages().items())
    head = f"# Stages on files\n\n## What they ask for\n\n{_ASKED}{asked}\n"
    return head + "".join(_help(stage_parser(interface)) for interface in stages().values())


def settings() -> str:
    """A table of every setting, and the presets."""
    general, tables = [], []
    for item in dataclasses.fields(Config):
        if isinstance(item.default_factory, type) and issubclass(item.default_factory, Settings):
            rows = "".join(_row(one) for one in dataclasses.fields(item.default_factory))
            told = (item.default_factory.__doc__ or "").splitlines()[0]
            tables.append(f"## `[{item.name}]`\n\n{told}\n\n{_HEAD}{rows}\n")
        else:
            general.append(_row(item))
    head = "# Settings\n\nThe names are those of the TOML files; flags are made from them: `[tkd] threshold` is\n"
    head += "`--tkd-threshold`. What a layer does not say is the default.\n\n"
    shown = "".join(f"### `{name}`\n\n```toml\n{preset_path(name).read_text()}```\n\n" for name in presets())
    return f"{head}## Of the whole run\n\n{_HEAD}{''.join(general)}\n{''.join(tables)}## Presets\n\n{shown}"


_ASKED = """\
On a grid of 160³, by the record from which limits here and the words for SLURM are made; `qsmflow run --dry-run` tells
it of your data. Memory is the whole process's; minutes are the limit that is asked for, not what it takes.

| stage | CPUs, at most | GB, one image | GB, four echoes | minutes, one image | GPU, where it is told to |
|---|---|---|---|---|---|
"""


def _asked(name: str, record: Resources) -> str:
    one, four = (record.need(160**3, images, threads=record.cpus) for images in (1, 4))
    gpu = "yes" if record.gpus else ""
    return f"| `{name}` | {one.cpus} | {one.memory_gb:.1f} | {four.memory_gb:.1f} | {one.minutes:.0f} | {gpu} |\n"


_HEAD = "| setting | default | meaning |\n|---|---|---|\n"


def _row(item: dataclasses.Field[Any]) -> str:
    default = " ".join(item.default) if isinstance(item.default, tuple) else item.default
    meaning = item.metadata["doc"]
    if item.metadata["choices"]:
        meaning += f" [{', '.join(item.metadata['choices'])}]"
    return f"| `{item.name}` | `{default}` | {meaning.replace('|', chr(92) + '|')} |\n"


def _help(parser: argparse.ArgumentParser) -> str:
    own = f"## {parser.prog}\n\n```text\n{parser.format_help()}```\n\n"
    return own + "".join(_help(one) for one in _below(parser))


def _below(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of the verbs or actions of `parser`."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [one for action in actions for one in action.choices.values()]
