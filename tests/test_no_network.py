"""Nothing is asked of the network at run time; the libraries that would are told not to."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import socket
def refuse(*words, **more):
    raise SystemExit(f"asked the network: {words}")
socket.getaddrinfo = refuse
import qsmflow
from qsmflow.interfaces.inversion import TKD
TKD()
import etelemetry
etelemetry.get_project("nipy/nipype")
"""


def test_no_version_is_asked_for_where_an_interface_is_made(monkeypatch) -> None:
    for name in ("NIPYPE_NO_ET", "NO_ET"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
