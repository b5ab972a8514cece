"""One fact, one place: settings, traits, core signatures, flags and documentation say the same."""

from __future__ import annotations

import argparse
import dataclasses
import inspect

import pytest

from qsmflow import config
from qsmflow.cli import run as run_verb
from qsmflow.cli import validate as validate_verb
from qsmflow.cli.options import given
from qsmflow.cli.stage import stage_parser
from qsmflow.core.background import ismv, lbv, pdf, resharp, vsharp
from qsmflow.core.field_fit import total_field
from qsmflow.core.inversion import cosmos, ilsqr, l2, medi, ndi, rts, tgv, tkd, tsvd, tv, whtv
from qsmflow.core.kspace.espirit import espirit
from qsmflow.core.kspace.grappa import grappa
from qsmflow.core.mask.csf import csf_mask
from qsmflow.core.mask.quality import keep_good_phase
from qsmflow.core.unwrap import unwrap_series
from qsmflow.interfaces.stages import stages
from qsmflow.settings import Settings

CORE = {
    config.Unwrap: unwrap_series,
    config.Field: total_field,
    config.GRAPPA: grappa,
    config.ESPIRiT: espirit,
    config.VSharp: vsharp,
    config.RESHARP: resharp,
    config.LBV: lbv,
    config.PDF: pdf,
    config.ISMV: ismv,
    config.TKD: tkd,
    config.L2: l2,
    config.ILSQR: ilsqr,
    config.TSVD: tsvd,
    config.RTS: rts,
    config.TV: tv,
    config.NLTV: tv,
    config.TGV: tgv,
    config.NLTGV: tgv,
    config.NDI: ndi,
    config.WHTV: whtv,
    config.MEDI: medi,
    config.COSMOS: cosmos,
    config.QualityMask: keep_good_phase,
    config.CSFMask: csf_mask,
}
STAGES = {
    "grappa": config.GRAPPA,
    "espirit": config.ESPIRiT,
    "coil_combine": config.CoilCombine,
    "scale_phase": config.ScalePhase,
    "brain_mask": config.BrainMask,
    "quality_mask": config.QualityMask,
    "csf_mask": config.CSFMask,
    "unwrap": config.Unwrap,
    "field": config.Field,
    "vsharp": config.VSharp,
    "resharp": config.RESHARP,
    "lbv": config.LBV,
    "pdf": config.PDF,
    "ismv": config.ISMV,
    "tkd": config.TKD,
    "l2": config.L2,
    "ilsqr": config.ILSQR,
    "tsvd": config.TSVD,
    "rts": config.RTS,
    "tv": config.TV,
    "nltv": config.NLTV,
    "tgv": config.TGV,
    "nltgv": config.NLTGV,
    "ndi": config.NDI,
    "whtv": config.WHTV,
    "medi": config.MEDI,
    "qsmnet": config.QSMnet,
    "qsmnet_plus": config.QSMnetPlus,
    "siqsm": config.SIQSM,
    "deepqsm": config.DeepQSM,
    "denoiser": config.Denoiser,
    "rigid_register": config.Registration,
    "cosmos": config.COSMOS,
}


def groups() -> dict[str, type[Settings]]:
    """Tables of the configuration by name."""
    found = {item.name: item.default_factory for item in dataclasses.fields(config.Config)}
    return {name: group for name, group in found.items() if isinstance(group, type)}


@pytest.mark.parametrize("group", CORE, ids=lambda g: g.__name__)
def test_core_signature_has_the_defaults_of_the_settings(group: type[Settings]) -> None:
    parameters = inspect.signature(CORE[group]).parameters
    for item in dataclasses.fields(group):
        assert parameters[item.name].default == item.default, item.name
        assert item.name in (CORE[group].__doc__ or "")


@pytest.mark.parametrize("name", [name for name in config.INVERSIONS if name not in config.NETWORKS])
def test_what_has_a_weight_lets_the_data_choose_it(name: str) -> None:
    weighted = "weight" in {item.name for item in dataclasses.fields(STAGES[name])}
    assert ("norms" in inspect.signature(CORE[STAGES[name]]).parameters) == weighted
    assert ("choose_weight" in stages()[name].input_spec().traits()) == weighted


@pytest.mark.parametrize("name", STAGES)
def test_traits_have_the_defaults_of_the_settings(name: str) -> None:
    spec = stages()[name].input_spec()
    for item in dataclasses.fields(STAGES[name]):
        assert getattr(spec, item.name) == item.default
        assert spec.traits()[item.name].desc == item.metadata["doc"]


def test_every_table_of_the_configuration_has_a_stage() -> None:
    assert set(groups().values()) == set(STAGES.values())


@pytest.mark.parametrize("name", stages())
def test_stage_parser_has_every_input(name: str) -> None:
    interface = stages()[name]
    flags = {action.dest for action in stage_parser(interface)._actions} - {"help", "out_dir"}
    inputs = {n for n, trait in interface.input_spec().traits(transient=None).items() if not trait.hidden}
    assert flags == inputs
    assert interface.__doc__ and interface.method and interface.resources


def in_words(flag: str, value: object) -> list[str]:
    """A setting on the command line."""
    return [flag] if value is True else [f"--no-{flag[2:]}"] if value is False else [flag, str(value)]


@pytest.mark.parametrize("words", [["run", "in", "out", "participant"], ["validate", "in"]])
def test_run_and_validate_have_a_flag_for_every_setting(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers()
    run_verb.add_parser(verbs)
    validate_verb.add_parser(verbs)
    for table, group in groups().items():
        for item in dataclasses.fields(group):
            value = item.metadata["choices"][-1] if item.metadata["choices"] else item.default
            flag = f"--{table}-{item.name}".replace("_", "-")
            args = parser.parse_args([*words, *in_words(flag, value)])
            assert given(args) == {table: {item.name: value}}, flag


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--denoise"], {"denoise": "network"}),
        (["--denoise", "none", "--unwrap", "segue"], {"denoise": "none", "unwrap": {"method": "segue"}}),
        (
            ["--field", "nonlinear", "--brain-mask", "bet"],
            {"field": {"method": "nonlinear"}, "brain_mask": {"method": "bet"}},
        ),
    ],
)
def test_what_is_done_goes_by_the_name_of_the_stage(words: list[str], told: dict[str, object]) -> None:
    parser = argparse.ArgumentParser()
    run_verb.add_parser(parser.add_subparsers())
    args = parser.parse_args(["run", "in", "out", "participant", *words])
    assert given(args) == told


@pytest.mark.parametrize("words", [["run", "in", "out", "participant"], ["validate", "in"]])
def test_run_and_validate_have_a_flag_for_what_stages_share(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers()
    run_verb.add_parser(verbs)
    validate_verb.add_parser(verbs)
    for item in dataclasses.fields(config.Config):
        if item.name not in groups() and item.name != "orientation_entity":
            value = item.metadata["choices"][-1] if item.metadata["choices"] else item.default
            args = parser.parse_args([*words, *in_words(f"--{item.name}".replace("_", "-"), value)])
            assert given(args)[item.name] in (value, (value,))
