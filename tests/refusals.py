"""Ask a small dataset what is wrong with it."""

from qsmflow.bids.checks import check_head
from qsmflow.bids.discovery import discover
from qsmflow.config import Config

PHASE = "sub-01_echo-1_part-phase_MEGRE.nii.gz"
MAGNITUDE = "sub-01_echo-2_part-mag_MEGRE.nii.gz"


def check(root, config=None, **options):
    found = discover(root, **{key: options.pop(key) for key in ("derivatives",) if key in options})
    assert found.problems == ()
    (head,) = found.heads
    return check_head(head, config or Config(), **options)


def refused(root, name, field, *, voxels=False, **options):
    """The first problem, checked to name file, field and mend in one line; `voxels`: only seen in the voxels."""
    if voxels:
        assert check(root, voxels=False, **options) == []
    problems = check(root, voxels=voxels, **options)
    problem = problems[0]
    assert problem.stops
    assert problem.file.name == name
    assert problem.field == field
    assert problem.subject == "01"
    assert str(problem) == f"{problem.file}: {field}: {problem.message}; {problem.mend}"
    assert problem.mend
    return problem


def image(root, name, subject="01"):
    return root / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz"


def only_problem(found, **hits):
    """The single problem that keeps the only head out, checked to name file, field and mend in one line."""
    (problem,) = found.problems
    assert problem.stops
    assert found.heads == ()
    for name, value in hits.items():
        assert getattr(problem, name) == value
    text = str(problem)
    assert str(problem.file) in text
    assert problem.field in text
    assert problem.mend and problem.mend in text
    assert "\n" not in text
    return problem
