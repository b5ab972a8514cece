"""The order of the rooms is the one that pyproject.toml draws, and the drawing can tell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=root, capture_output=True, text=True)


def test_rooms_import_downward_only():
    done = _lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/stray.py", "import nibabel"),
        ("core/stray.py", "def f():\n    import nipype.interfaces.base"),
        ("core/stray.py", "from qsmflow.config import Config"),
        ("core/stray.py", "from qsmflow.bids.series import Series"),
        ("bids/stray.py", "from ..interfaces import base"),
        ("attic/__init__.py", ""),
    ],
)
def test_a_step_out_of_order_is_noticed(tmp_path, module, line):
    shutil.copytree(ROOT / "qsmflow", tmp_path / "qsmflow", ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "qsmflow" / "interfaces" / "base.py").touch()
    stray = tmp_path / "qsmflow" / module
    stray.parent.mkdir(exist_ok=True)
    stray.write_text(line + "\n")
    done = _lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize("name", ["interfaces", "workflows"])
def test_the_doors_at_the_top_lead_into_the_package(name):
    door = ROOT / name
    assert door.is_symlink()
    assert door.resolve() == ROOT / "qsmflow" / name
