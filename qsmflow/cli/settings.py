"""The flags that set the stages; shared by the verbs that run them and that foretell a run."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import qsmflow
from qsmflow import config
from qsmflow.settings import Settings, preset_path, presets, read_table, resolve, written_by

from .cluster import TABLE
from .options import add_setting, given
from .progress import say

#: What a flag of all stages says when no value follows it.
_ALONE = {"denoise": "network"}
#: Settings of no single stage.
_GENERAL = (
    "background",
    "denoise",
    "inversion",
    "choose_weight",
    "two_pass",
    "reference",
    "orientation_weights",
    "rois",
)


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add presets, the settings file and a flag for every setting to `parser`; `settings_from` reads them."""
    group = parser.add_argument_group("settings", "later ones win: --sloppy, --preset, --config-file, single flags")
    group.add_argument("--sloppy", action="store_true", help="the preset sloppy: quick and inaccurate, for trying")
    group.add_argument("--preset", metavar="NAME", help=f"settings that come with qsmflow: {', '.join(presets())}")
    group.add_argument(
        "--config-file", type=Path, metavar="TOML", help="settings, such as those that a run left in OUT/logs"
    )
    for name in _GENERAL:
        add_setting(group, [_flag(name)], config.Config, name, alone=_ALONE.get(name))
    stages = parser.add_argument_group("stages", "settings of single stages; a TOML file sets the same in its tables")
    for table in dataclasses.fields(config.Config):
        stage = table.default_factory
        if not (isinstance(stage, type) and issubclass(stage, Settings)):
            continue
        for item in dataclasses.fields(stage):
            flags = [_flag(table.name, item.name)]
            if item.name == "method":  # that of a stage goes by the name of the stage as well
                flags.insert(0, _flag(table.name))
            add_setting(stages, flags, stage, item.name, table.name)


def _flag(*names: str) -> str:
    return f"--{'-'.join(names)}".replace("_", "-")


def settings_from(args: argparse.Namespace) -> config.Config:
    """The settings in `args`; raises `ConfigError` for what cannot be read or set.

    That another version replays the settings of a run is told.
    """
    settings = resolve(config.Config, layers_from(args))
    version = written_by(args.config_file) if args.config_file is not None else None
    if version not in (None, qsmflow.__version__):
        told = f"was written by qsmflow {version}; this is {qsmflow.__version__}, whose maps may differ"
        say(f"{args.config_file}: {told}", error=True)
    return settings


def layers_from(args: argparse.Namespace) -> list[tuple[str, dict[str, Any]]]:
    """What `args` set, as tables with the name of where each is from, later ones winning; `ConfigError` as above."""
    layers = []
    for name, label in (("sloppy" if args.sloppy else None, "--sloppy"), (args.preset, f"--preset {args.preset}")):
        if name is not None:
            layers.append((label, read_table(preset_path(name))))
    if args.config_file is not None:
        layers.append((str(args.config_file), read_table(args.config_file)))
    flags = given(args)
    flags.pop(TABLE, None)  # how it is executed is no setting of a stage
    if args.orientation_entity is not None:
        flags["orientation_entity"] = args.orientation_entity
    return [*layers, ("command line", flags)]
