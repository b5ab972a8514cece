"""`--gpu`: which stages it names, and what is told where there is no device."""

from __future__ import annotations

import pytest
import torch

from qsmflow.engines.gpu import check_build, check_device, gpu_stages, visible_devices
from qsmflow.errors import UsageError

ABLE = ("qsmnet", "deepqsm", "denoiser")


@pytest.mark.parametrize(
    ("asked", "run", "taken"),
    [
        (["none"], ["qsmnet"], set()),
        (["all"], ["qsmnet", "denoiser"], {"qsmnet", "denoiser"}),
        (["all"], [], set()),
        (["denoiser"], ["qsmnet", "denoiser"], {"denoiser"}),
    ],
)
def test_stages_are_those_named(asked: list[str], run: list[str], taken: set[str]) -> None:
    assert gpu_stages(asked, ABLE, run) == taken


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["medi"], "--gpu medi: cannot use a GPU; name some of qsmnet, deepqsm, denoiser"),
        (["deepqsm"], "--gpu deepqsm: not a stage of this run; name qsmnet"),
        (["all", "qsmnet"], "--gpu all qsmnet: all and none stand alone"),
    ],
)
def test_what_cannot_be_is_refused(asked: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        gpu_stages(asked, ABLE, ["qsmnet"])


def test_a_missing_device_is_told_only_where_one_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("PATH", "")
    check_device([])
    with pytest.raises(UsageError, match="--gpu qsmnet: torch can use no CUDA device here"):
        check_device(["qsmnet"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_device(["qsmnet"])


def test_an_environment_that_can_use_no_device_anywhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    check_build([])
    with pytest.raises(UsageError, match=r"--gpu denoiser qsmnet: torch .* is built without CUDA"):
        check_build(["qsmnet", "denoiser"])
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    check_build(["qsmnet"])


@pytest.mark.parametrize(
    ("listed", "count", "names"),
    [
        (None, 2, ["0", "1"]),
        (None, 0, []),
        ("3,1", 2, ["3", "1"]),
        ("GPU-5f, MIG-07", 2, ["GPU-5f", "MIG-07"]),
        ("2,-1,3", 1, ["2"]),
        ("", 0, []),
    ],
)
def test_devices_have_the_names_that_the_user_gave(
    listed: str | None, count: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert visible_devices() == names
