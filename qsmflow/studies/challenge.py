"""Every inversion and network by the eight metrics of the second reconstruction challenge.

On a head like that of the challenge, with a calcification and without: the local field of the brain with 2 ppb of
noise, B0 along z, in voxels of 1 mm (with ``--quick`` 2.5). The head is procedural, unless ``--labels`` gives another.
No network was trained on it, but the networks were trained on others of its kind, and the challenge's own head, from
``--labels``, is harder for them. The published counterpart is table 3.2 of the thesis that described SI-QSM, whose
numbers are not known to us. The challenge itself found iterative methods best, those with a total variation before all,
then deep learning, then direct divisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from qsmflow.config import INVERSIONS
from qsmflow.core.challenge import challenge_metrics
from qsmflow.core.metrics import hfen, nrmse, xsim
from qsmflow.phantom.head import ProceduralHead
from qsmflow.phantom.sampling import Head
from qsmflow.reports.blocks import Block

from .figures import maps
from .methods import cases_of, invert
from .problems import NOISE, Problem, brain_problem, study_head
from .study import Case, Done, Outcome, Request, Score, Study, Varied
from .tables import pivot, rows_of

_WHITE, _STONE, _BLEED = 8, 16, 17
#: mm from the middle: the calcification of the pineal is nearer, the other one farther.
_MIDDLE = 12.0


class ChallengeHead:
    """A head without haemorrhage, with a calcification or none; white matter is in their place.

    Of the two of a procedural head that of the pineal goes; those of a label map stay.
    """

    def __init__(self, head: Head, *, calcified: bool):
        self.tissues, self.bounds, self.outside = head.tissues, head.bounds, head.outside
        self._head, self._calcified = head, calcified

    def labels_at(self, points: torch.Tensor) -> torch.Tensor:
        """Label at each of `points` (..., 3) in mm: uint8, (...)."""
        labels = self._head.labels_at(points)
        stone = labels == _STONE
        if self._calcified:
            stone &= (points[..., 0].abs() < _MIDDLE) & isinstance(self._head, ProceduralHead)
        return labels.masked_fill(stone | (labels == _BLEED), _WHITE)

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        """As that of the head."""
        return self._head.texture_at(points)


def _cases(request: Request) -> list[Case]:
    # the calcification is lost in the voxels of a quick study
    voxel = request.voxel_size or min(2.5, request.voxel)
    problems: list[Varied] = [{"calcification": there, "voxel": voxel} for there in ("with", "without")]
    return [case for problem in problems for case in cases_of(problem, INVERSIONS)]


def _prepare(problem: Varied, files: Sequence[Path]) -> Problem:
    voxel = float(problem["voxel"])
    head = ChallengeHead(study_head(files, voxel), calcified=problem["calcification"] == "with")
    return brain_problem(head, (voxel,) * 3).with_noise(NOISE)


def _compute(made: Problem, varied: Varied) -> Outcome:
    chi = invert(str(varied["method"]), made)
    eight = challenge_metrics(chi, made.chi, made.mask, made.labels)
    scores = [Score(name, value, _unit(name)) for name, value in eight.items()]
    for name, metric, unit in (("nrmse", nrmse, "%"), ("hfen", hfen, "%"), ("xsim", xsim, "")):
        scores.append(Score(name, float(metric(chi, made.chi, made.mask)), unit))
    return Outcome(scores, {"map": chi, "truth": made.chi}, made.affine)


def _unit(name: str) -> str:
    return "%" if "NRMSE" in name else "ppm voxels" if name.endswith("Moment") else ""


def _show(done: Sequence[Done]) -> list[Block]:
    blocks: list[Block] = []
    for there in dict.fromkeys(str(one.case.problem["calcification"]) for one in done):
        chosen = [one for one in done if one.case.problem["calcification"] == there]
        blocks.append(
            pivot(
                f"Head {there} a calcification; NRMSE, dNRMSE and after are zero for the truth",
                rows_of(chosen),
                ("method",),
            )
        )
        blocks += maps(f"challenge_{there}", chosen)
    return blocks


STUDY = Study(_cases, _prepare, _compute, _show, headed=True)
