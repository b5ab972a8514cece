"""Print the table of costs and errors: ``python -m benchmarks [--only STAGE[/METHOD]] [--grid 160x160x160]``.

A case is a method at its default settings, in a process of its own. Costs are also given in pairs of real FFTs of the
grid, measured in that process, so that tables of different machines can be compared, and in volumes of the grid.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.harness import Case, Cost, child, measure
from benchmarks.heads import make_head

#: Grids and voxels of the published comparisons; the brain fits both.
_GRIDS = (((160, 160, 160), 1.25), ((164, 204, 204), 1.0))
_COLUMNS = ("stage", "method", "s", "FFT pairs", "peak, volumes", "errors, %")


def main() -> int:
    """Measure and print Markdown."""
    if sys.argv[1:2] == ["--child"]:
        name, head, device, threads = sys.argv[2:]
        print(child(_named(name), Path(head), device, int(threads)))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="STAGE[/METHOD]", help="measure these alone")
    parser.add_argument("--grid", metavar="XxYxZ", help="one grid instead of the published two")
    parser.add_argument("--voxel", type=float, default=1.0, metavar="MM", help="voxel size of --grid")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="label map to take the head from")
    parser.add_argument("--chi", type=Path, metavar="TABLE", help="susceptibility of the labels")
    parser.add_argument("--brain", type=Path, metavar="FILE", help="brain mask on the grid of the labels")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, help="threads of torch")
    args = parser.parse_args()
    wanted = [case for case in CASES if not args.only or case.stage in args.only or case.name in args.only]
    if not wanted:
        parser.error(f"--only {' '.join(args.only)}: no such case; there are {', '.join(c.name for c in CASES)}")
    grids = _GRIDS
    if args.grid:
        x, y, z = (int(n) for n in args.grid.split("x"))
        grids = (((x, y, z), args.voxel),)
    with tempfile.TemporaryDirectory() as scratch:
        for shape, voxel in grids:
            saved = Path(scratch) / "head.pt"
            make_head(shape, voxel, labels=args.labels, chi=args.chi, brain=args.brain).save(saved)
            print(f"\n{' x '.join(map(str, shape))} voxels of {voxel:g} mm, {args.device}\n", flush=True)
            print(
                "| stage | method | s | FFT pairs | peak, volumes | errors, % |\n|---|---|---|---|---|---|", flush=True
            )
            for case in wanted:
                print(_row(case, measure(case, saved, args.device, args.threads)), flush=True)
    return 0


def _named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _row(case: Case, cost: Cost) -> str:
    errors = ", ".join(f"{what} {error:.1f}" for what, error in cost.errors.items())
    cells = (case.stage, case.method, f"{cost.seconds:.2f}", f"{cost.pairs:.1f}", f"{cost.volumes:.1f}", errors)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
