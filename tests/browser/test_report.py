"""The report in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from qsmflow.reports.subject import write_subject_report
from tests.reports.tree import orientations

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    "--virtual-time-budget=5000",
]
#: Runs in the page and leaves its findings in the DOM, which chromium then prints.
PROBE = """
<script>
addEventListener("error", (event) => document.body.append("PROBLEM " + event.message));
addEventListener("load", () => {
  const images = [...document.images];
  const flicker = document.querySelector(".flicker");
  const shown = () => [flicker.querySelector("output").value, flicker.classList.contains("on")];
  const before = shown();
  flicker.querySelector('[data-act="swap"]').click();
  const result = {
    images: images.length,
    empty: images.filter((image) => !image.complete || image.naturalWidth < 500).map((image) => image.alt),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    links: [...document.links].filter((a) => a.hash && !document.getElementById(a.hash.slice(1))).length,
    before, after: shown(),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: getComputedStyle(document.body).backgroundColor,
  };
  document.body.insertAdjacentHTML("beforeend", `<pre id="probe">${JSON.stringify(result)}</pre>`);
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if CHROMIUM is None:
        pytest.skip("no chromium")
    root = tmp_path_factory.mktemp("derivatives")
    orientations(root, 2)
    report = write_subject_report(root, "01")
    probed = root / "probed.html"
    probed.write_text(report.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8")
    return probed


def browse(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def probe(page: Path, profile: Path, *flags: str) -> tuple[dict[str, object], str]:
    done = browse(page, profile, "--dump-dom", *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    found = done.stdout.rpartition('<pre id="probe">')[2].partition("</pre>")[0]
    return json.loads(found.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")), done.stderr


def test_report_draws_without_a_console_message(page: Path, tmp_path: Path) -> None:
    result, log = probe(page, tmp_path, "--window-size=1300,3000")
    assert not [line for line in log.splitlines() if "CONSOLE" in line]
    assert int(str(result["images"])) > 15
    assert result["empty"] == [] and result["links"] == 0
    assert result["wide"] == 0
    assert result["before"] == ["ori1", False] and result["after"] == ["ori2", True]


def test_report_fits_a_small_window(page: Path, tmp_path: Path) -> None:
    result, _ = probe(page, tmp_path, "--window-size=600,900")
    assert result["wide"] == 0


def test_report_has_a_dark_dress(page: Path, tmp_path: Path) -> None:
    light, _ = probe(page, tmp_path / "light")
    dark, _ = probe(page, tmp_path / "dark", "--blink-settings=preferredColorScheme=0")
    assert light["paper"] == "rgb(255, 255, 255)"
    assert dark["dark"] is True and dark["paper"] == "rgb(20, 24, 29)"
