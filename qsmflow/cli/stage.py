"""``qsmflow stage NAME --in_file …``: one stage on files, its flags made from the interface's own input spec."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the verb; the flags of a stage are known only once its interface is imported."""
    parser = subparsers.add_parser(
        "stage",
        help="one stage on files",
        description="Run one stage on files. 'qsmflow stage' lists the stages, 'qsmflow stage NAME --help' its inputs.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """List the stages, or run the one that is named."""
    from qsmflow.errors import UsageError
    from qsmflow.interfaces.stages import stages

    known = stages()
    if args.name is None:
        for name, interface in known.items():
            print(f"{name:20s} {(interface.__doc__ or '').splitlines()[0]}")
        return 0
    if args.name not in known:
        raise UsageError(f"stage {args.name}: no such stage; known: {', '.join(known)}")
    return _run_stage(known[args.name], args.rest)


def _run_stage(interface: Any, rest: list[str]) -> int:
    import json

    from traits.api import TraitError

    from qsmflow.bids.naming import sidecar_path
    from qsmflow.bids.write import write_json
    from qsmflow.errors import UsageError
    from qsmflow.interfaces.acquired import check_acquired

    from .progress import say

    parser = stage_parser(interface)
    values = vars(parser.parse_args(rest))
    folder = Path(values.pop("out_dir")).absolute()
    inputs = {name: value for name, value in values.items() if value is not None}
    missing = sorted(
        name for name, trait in interface.input_spec().traits(mandatory=True).items() if name not in inputs
    )
    if missing:
        raise UsageError(
            f"stage {interface.stage}: --{missing[0]} is missing; see 'qsmflow stage {interface.stage} --help'"
        )
    for name, value in inputs.items():
        for path in _paths(value):
            if not path.is_file():
                raise UsageError(f"stage {interface.stage}: --{name} {path}: no such file")
    try:
        for group in interface.input_spec.groups:
            group(**{item.name: inputs[item.name] for item in dataclasses.fields(group) if item.name in inputs})
        check_acquired(inputs)
    except UsageError as error:
        raise UsageError(f"stage {interface.stage}: --{error}") from error
    try:
        node = interface(**_as_traits(inputs))
    except TraitError as error:
        raise UsageError(f"stage {interface.stage}: {error}") from error
    outputs = _outputs(node, folder, inputs)
    report = outputs.pop("out_report")
    for name, value in outputs.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and Path(one).is_file():
                write_json(sidecar_path(Path(one)), report)
            print(f"{name}\t{one}")
    print(json.dumps(report["Measured"]))
    for warning in report.get("Warnings", []):
        say(f"stage {interface.stage}: warning: {warning}", error=True)
    return 0


def _outputs(node: Any, folder: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run in a folder of its own within `folder`, and bring the files up from there, unless one were to be lost.

    Raises
    ------
    UsageError
        `folder` cannot be written, the stage refuses its inputs, or an output has the name of an input in `folder`.
    QsmflowError
        The stage fails.
    """
    import shutil
    import tempfile

    from qsmflow.errors import QsmflowError, UsageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{node.stage}-", dir=folder))
    except OSError as error:
        raise UsageError(f"--out_dir {folder}: {error.strerror}; give a folder that can be written") from error
    finished = False
    try:
        made = node.run(cwd=str(scratch)).outputs.get()
        finished = True
    except (ValueError, TypeError) as error:
        raise UsageError(f"stage {node.stage}: {error}") from error
    except (ArithmeticError, LookupError, OSError, RuntimeError) as error:  # a file or a setting that nothing foresaw
        raise QsmflowError(f"stage {node.stage}: {type(error).__name__}: {error}") from error
    finally:
        if not finished:
            shutil.rmtree(scratch)
    files = [path for value in made.values() for path in (value if isinstance(value, list) else [value])]
    moves = {
        path: folder / Path(path).name for path in files if isinstance(path, str) and scratch in Path(path).parents
    }
    given = {path.resolve(): name for name, value in inputs.items() for path in _paths(value)}
    for target in moves.values():
        taken = given.get(target.resolve())
        if taken is not None:
            raise UsageError(
                f"stage {node.stage}: its {target.name} would take the place of --{taken} in {folder}; "
                f"give another --out_dir. What it made is in {scratch}"
            )
    for path, target in moves.items():
        Path(path).replace(target)
    shutil.rmtree(scratch)

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        return str(moves[value]) if isinstance(value, str) and value in moves else value

    return {name: moved(value) for name, value in made.items()}


def _paths(value: Any) -> list[Path]:
    return [path for path in (value if isinstance(value, list) else [value]) if isinstance(path, Path)]


def stage_parser(interface: Any) -> argparse.ArgumentParser:
    """The parser of one stage: a flag for each input that is not hidden, of the same name."""
    from qsmflow.errors import UsageError

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"{message} (see '{self.prog} --help')")

    parser = Parser(prog=f"qsmflow stage {interface.stage}", description=interface.__doc__)
    parser.add_argument("--out_dir", type=Path, default=Path(), help="folder for the outputs (default: here)")
    spec = interface.input_spec()
    for name, trait in sorted(spec.traits(transient=None).items()):
        if trait.hidden:
            continue
        parser.add_argument(f"--{name}", **_flag(trait, getattr(spec, name)))
    return parser


def _flag(trait: Any, default: Any) -> dict[str, Any]:
    """Arguments of ``add_argument`` for one trait."""
    kind = type(trait.trait_type).__name__
    shown = f" (default: {default})" if trait.usedefault else ""
    text = (trait.desc or "").replace("%", "%%") + shown + (" [required]" if trait.mandatory else "")
    flag: dict[str, Any] = {"help": text, "default": None}
    if kind == "Bool":
        return {**flag, "action": argparse.BooleanOptionalAction}
    if kind == "Enum":
        return {**flag, "choices": list(trait.trait_type.values)}
    if kind in ("File", "BasePath"):
        return {**flag, "type": Path, "metavar": "FILE"}
    if kind in ("InputMultiObject", "InputMultiPath"):
        return {**flag, "type": Path, "nargs": "+", "metavar": "FILE"}
    if kind == "List":
        inner = type(trait.inner_traits[0].trait_type).__name__
        if inner == "Tuple":
            return {**flag, "type": _vector, "nargs": "+", "metavar": "X,Y,Z"}
        return {**flag, "type": float, "nargs": "+"}
    if kind == "Tuple":
        return {**flag, "type": _vector, "metavar": "X,Y,Z"}
    if kind == "Range":
        return {**flag, "type": type(default)}
    return {**flag, "type": {"Int": int, "Float": float}.get(kind, str)}


def _vector(text: str) -> tuple[float, ...]:
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        mend = "give three numbers with commas between them, such as 0,0,1"
        raise argparse.ArgumentTypeError(f"{text.strip()!r} is no vector; {mend}") from error
    return x, y, z


def _as_traits(inputs: dict[str, Any]) -> dict[str, Any]:
    """Paths absolute and as text, since the stage runs in another folder."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return str(value.absolute()) if isinstance(value, Path) else value

    return {name: plain(value) for name, value in inputs.items()}
