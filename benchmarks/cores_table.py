"""How well the embedded regions lie: cores of nuclei against the true nuclei of a simulated head.

    qsmflow simulate DATA ...
    qsmflow run DATA OUT participant
    python benchmarks/cores_table.py DATA OUT

prints, for each core of the first series, the share of its voxels that lie in the true nucleus, and the mean of every
map in it and in the true nucleus of that side, as Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from qsmflow.bids.discovery import discover
from qsmflow.bids.labels import label_names
from qsmflow.bids.naming import derivative_path
from qsmflow.config import INVERSIONS
from qsmflow.interfaces.cores import TABLE, read_cores
from qsmflow.interfaces.volume import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    series = discover(args.data).heads[0].series[0].entities
    there = derivative_path(args.data / "derivatives" / "truth", series, "labels")
    true, tissues = load(there), label_names(there)
    made = load(derivative_path(args.out, series, "rois"))
    maps = {kind: load(path) for kind in INVERSIONS if (path := derivative_path(args.out, series, kind)).exists()}
    index = torch.arange(true.data.shape[0])[:, None, None].expand(true.data.shape)
    print("|".join(["", "core", "share in the nucleus", *(f"{k}: core, nucleus, ppb" for k in maps), ""]))
    print("|---" * (2 + len(maps)) + "|")
    for core, name in read_cores(TABLE).items():
        label = next(label for label, tissue in tissues.items() if tissue.split(" and ")[0] in name)
        nucleus = true.data == label
        middle = index[nucleus].float().mean()
        side = (index < middle) if (core.centre[0] < 0) == (true.affine[0, 0] > 0) else (index >= middle)
        inside = made.data == core.index
        told = [
            " ".join(
                f"{1000 * float(chi.data[where & (chi.data != 0)].mean()):.0f}" for where in (inside, nucleus & side)
            )
            for chi in maps.values()
        ]
        print("|".join(["", name, f"{float(nucleus[inside].float().mean()):.2f}", *told, ""]))


if __name__ == "__main__":
    main()
