"""What a settings class is: fields that carry default, meaning and range; and how TOML becomes one and back."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from qsmflow.errors import UsageError

S = TypeVar("S", bound="Settings")
_PRESETS = Path(__file__).parent / "data" / "presets"


class ConfigError(UsageError, ValueError):
    """A setting that cannot be used; the message names file, setting and mend in one line."""


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    infinite: bool = False,
) -> Any:
    """Declare one setting of a `Settings` class: its default, what it means (with unit), and what it may be.

    `low` and `high` are allowed themselves, `above` is not; no number is infinite unless `infinite` allows it.
    """
    metadata = {"doc": doc, "low": low, "above": above, "high": high, "choices": choices, "infinite": infinite}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Base of the settings of one stage; refuses values outside what `setting` declares."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Settings):
                continue
            if hints[item.name] is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
                object.__setattr__(self, item.name, value)
            if isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, item.name, value)
            _check(item, hints[item.name], value)


def _check(item: dataclasses.Field[Any], hint: Any, value: Any) -> None:
    name, meta = item.name, item.metadata
    plain = {"bool": bool, "int": int, "float": float, "str": str}
    expected = plain.get(getattr(hint, "__name__", ""))
    if expected is not None and type(value) is not expected:
        raise ConfigError(f"{name}: expected {expected.__name__}, got {value!r}")
    if get_origin(hint) is tuple and not isinstance(value, tuple):
        raise ConfigError(f"{name}: expected a list, got {value!r}")
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{name}: expected a table, got {value!r}")
        return  # of entries that no one declared; who reads them says what they may be
    for one in value if isinstance(value, tuple) else (value,):
        if meta["choices"] and one not in meta["choices"]:
            raise ConfigError(f"{name}: {one!r} is not one of {', '.join(meta['choices'])}")
        if isinstance(one, float) and (math.isnan(one) or (math.isinf(one) and not meta["infinite"])):
            raise ConfigError(f"{name}: {one!r} is not a finite number")
    if meta["low"] is not None and value < meta["low"]:
        raise ConfigError(f"{name}: {value!r} is below {meta['low']:g}")
    if meta["above"] is not None and value <= meta["above"]:
        raise ConfigError(f"{name}: {value!r} is not above {meta['above']:g}")
    if meta["high"] is not None and value > meta["high"]:
        raise ConfigError(f"{name}: {value!r} is above {meta['high']:g}")


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file as a nested dict."""
    try:
        return tomllib.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a readable TOML file ({error})") from error


def version_line(version: str) -> str:
    """The comment at the top of the settings of a run: which qsmflow wrote them."""
    return f"# qsmflow {version}"


def written_by(path: Path) -> str | None:
    """The version of qsmflow whose run left the settings in a readable `path`; None where that is not told."""
    first, _, _ = Path(path).read_text().partition("\n")
    start = version_line("")
    return first.removeprefix(start).strip() if first.startswith(start) else None


def presets() -> list[str]:
    """Names of the presets, which stand in ``data/presets``."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def preset_path(name: str) -> Path:
    """File of the preset `name`."""
    if name not in presets():
        raise ConfigError(f"--preset {name}: no such preset; known: {', '.join(presets())}")
    return _PRESETS / f"{name}.toml"


def resolve(settings: type[S], layers: Sequence[tuple[str, dict[str, Any]]]) -> S:
    """Lay tables over each other, later ones winning; each comes with the name of where it is from.

    Every layer is checked on its own first, so that a fault is told of the file it stands in.
    """
    merged: dict[str, Any] = {}
    for source, table in layers:
        try:
            from_table(settings, table)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error
        for name, value in table.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return from_table(settings, merged)


def origins(layers: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, str]:
    """Where each setting of `layers`, those of `resolve`, comes from: the last layer that has it.

    Keys are the names of the settings, those in a table behind its name and a dot; what no layer has is a default.
    """
    found: dict[str, str] = {}
    for source, table in layers:
        for name, value in table.items():
            names = [f"{name}.{entry}" for entry in value] if isinstance(value, dict) else [name]
            found |= dict.fromkeys(names, source)
    return found


def from_table(settings: type[S], table: dict[str, Any]) -> S:
    """Build `settings` from a nested dict; every name that is not a setting is refused."""
    hints = get_type_hints(settings)
    known = {item.name for item in dataclasses.fields(settings)}
    values = {}
    for name, value in table.items():
        if name not in known:
            raise ConfigError(f"{name}: no such setting; known: {', '.join(sorted(known))}")
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, Settings):
            if not isinstance(value, dict):
                raise ConfigError(f"{name}: expected a table")
            try:
                value = from_table(hint, value)
            except ConfigError as error:
                raise ConfigError(f"{name}.{error}") from error
        values[name] = value
    return settings(**values)


def to_toml(settings: Settings, remarks: Callable[[str], str] | None = None, table: str = "") -> str:
    """Write `settings` as TOML that `read_table` and `from_table` turn back into the same value.

    `remarks` gives the comment behind a setting by its name, as in `origins`; `table` stands before that name.
    """
    lines: list[str] = []
    tables: list[str] = []
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if isinstance(value, Settings):
            tables.append(f"\n[{item.name}]\n{to_toml(value, remarks, f'{item.name}.')}")
        elif isinstance(value, dict):
            entries = "".join(f"{key} = {_toml_value(one)}\n" for key, one in value.items())
            tables.append(f"\n[{item.name}]\n{entries}")
        else:
            line = f"{item.name} = {_toml_value(value)}"
            lines.append(f"{line:40s}  # {remarks(table + item.name)}\n" if remarks else f"{line}\n")
    return "".join(lines) + "".join(tables)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a basic string of TOML is written as one of JSON
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    return repr(value)
