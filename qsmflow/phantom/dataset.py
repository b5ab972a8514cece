"""A simulated BIDS dataset, with its truth as a derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

import qsmflow
from qsmflow.bids.naming import OUTPUTS, derivative_path, folder, join_entities, sidecar_path
from qsmflow.bids.write import describe_dataset, write_atomic, write_json, write_text
from qsmflow.config import Simulate
from qsmflow.errors import UsageError
from qsmflow.phantom.acquisition import add_noise, echo_signal, noise_sd, receiver, total_and_local_field
from qsmflow.phantom.coils import write_kspace
from qsmflow.phantom.plan import Plan, check, plan_subject, seed_of
from qsmflow.phantom.pose import angle_between, b0_direction
from qsmflow.phantom.sampling import Sample, sample_head
from qsmflow.phantom.tissues import TissueTable
from qsmflow.settings import to_toml

Progress = Callable[[str, float], None]
#: Purposes of random numbers within a subject.
_RECEIVER, _NOISE = 2, 3


@dataclass(frozen=True)
class Orientation:
    """One head orientation of one subject: names, place and grid."""

    entities: dict[str, str]
    pose: np.ndarray
    affine: np.ndarray
    number: int


def simulate_dataset(
    out: Path, settings: Simulate, *, device: torch.device | str = "cpu", progress: Progress | None = None
) -> Path:
    """Write the dataset that `settings` describe.

    Parameters
    ----------
    out
        Folder of the dataset: new, empty, or left by the same settings before, whose files are written anew and equal.
    settings
        Everything else.
    progress
        Called with what is being done and the share of the whole that has been done since the last call.

    Returns
    -------
    Path
        The truth: a BIDS derivative in ``out/derivatives/truth``.

    Raises
    ------
    UsageError
        `settings` do not fit together, or `out` holds another simulation or anything else, or cannot be written.
    InputError
        The label map or its table cannot be used.
    """
    check(settings)
    truth = Path(out) / "derivatives" / "truth"
    record = to_toml(settings)
    _claim(Path(out), record)
    names = [f"{i + 1:02d}" for i in range(settings.subjects)]
    for number, name in enumerate(names, 1):
        plan = plan_subject(settings, number, device)
        if number == 1:
            _describe(Path(out), truth, names, settings, plan.head.tissues)
        _write_subject(Path(out), truth, name, number, plan, settings, device, progress)
    return truth


def _claim(out: Path, record: str) -> None:
    """Make `out` ours, or refuse it."""
    kept = out / "code" / "simulate.toml"
    try:
        if out.is_dir() and any(out.iterdir()) and not (kept.is_file() and kept.read_text() == record):
            raise UsageError(f"{out}: neither empty nor this simulation; give a new or empty folder")
        write_text(kept, record)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}); give a folder that can") from error


def _describe(out: Path, truth: Path, names: list[str], settings: Simulate, tissues: TissueTable) -> None:
    """Everything of the two datasets that belongs to no subject."""
    describe_dataset(out, "Simulated gradient-echo MRI", derivative=False, ignored=())
    describe_dataset(truth, "Truth of the simulated gradient-echo MRI")
    listed = "participant_id\tspecies\n" + "".join(f"sub-{name}\thomo sapiens\n" for name in names)
    # Subjects that stand in sourcedata alone are none for the BIDS validator.
    for root in (truth,) if settings.coils else (out, truth):
        write_text(root / "participants.tsv", listed)
        write_json(root / "participants.json", {"species": {"Description": "What the simulated head is a model of."}})
    rows = "".join(f"{tissue.label}\t{tissue.name}\n" for tissue in tissues.tissues)
    write_text(truth / "desc-truth_dseg.tsv", "index\tname\n" + rows)


def _write_subject(
    out: Path,
    truth: Path,
    name: str,
    number: int,
    plan: Plan,
    settings: Simulate,
    device: torch.device | str,
    progress: Progress | None,
) -> None:
    share = 1.0 / (settings.subjects * len(plan.poses))
    size = tuple(float(v) for v in np.linalg.norm(plan.affine[:3, :3], axis=0))
    b0_dir = b0_direction(plan.affine)
    long_affine, long_shape, kept = _lengthened(plan)
    generator = torch.Generator().manual_seed(seed_of(settings.seed, number, _RECEIVER))
    bias, offset = receiver(torch.tensor(plan.affine, dtype=torch.float32, device=device), plan.shape, generator)
    for i, pose in enumerate(plan.poses):
        entities = {"sub": name} | ({"acq": f"ori{i + 1}"} if len(plan.poses) > 1 else {})
        place = Orientation(entities, pose, plan.affine, i + 1)
        label = f"sub-{name} orientation {i + 1}"

        def tell(part: float, label: str = label) -> None:
            if progress is not None:
                progress(label, part * share)

        sample = sample_head(
            plan.head,
            long_affine,
            long_shape,
            pose,
            b0=settings.b0,
            supersample=settings.supersample,
            device=device,
            progress=lambda part, tell=tell: tell(0.4 * part),  # type: ignore[misc]
        )
        total, local = (f[kept] for f in total_and_local_field(sample, size, b0_dir, plan.head.outside))
        sample = sample.crop(kept)
        tell(0.2)
        with _writers() as save:
            _write_truth(truth, place, plan, sample, total, local, settings, save)
            first = echo_signal(sample, total, settings.te[0], settings.b0, bias=bias, offset=offset)
            sd = noise_sd(first, sample.brain, settings.snr)
            top = float(first.abs().max()) + 5.0 * sd
            signals = _signals(sample, total, bias, offset, settings, tell)
            echoes = range(len(settings.te))
            draws = [torch.Generator().manual_seed(seed_of(settings.seed, number, _NOISE, i, e)) for e in echoes]
            if settings.coils:
                scan = torch.Generator().manual_seed(seed_of(settings.seed, number, _NOISE, i, len(echoes)))
                path = folder(out / "sourcedata", entities, "anat") / f"{join_entities(entities)}_MEGRE.h5"
                write = partial(
                    write_kspace, affine=plan.affine, signals=signals, sd=sd, draws=[scan, *draws], settings=settings
                )
                write_atomic(path, write)
                continue
            for e, (signal, draw) in enumerate(zip(signals, draws, strict=True)):
                _write_echo(out, place, e, add_noise(signal, sd, draw), top, settings, save)


def _signals(
    sample: Sample,
    total: torch.Tensor,
    bias: torch.Tensor,
    offset: torch.Tensor,
    settings: Simulate,
    tell: Callable[[float], None],
) -> Iterator[torch.Tensor]:
    """The echoes without noise, one at a time."""
    for te in settings.te:
        yield echo_signal(sample, total, te, settings.b0, bias=bias, offset=offset)
        tell(0.4 / len(settings.te))


def _lengthened(plan: Plan) -> tuple[np.ndarray, tuple[int, int, int], tuple[slice, ...]]:
    """The grid of `plan` with more neck at its lower end, and where the acquired grid lies in it."""
    more, axis = plan.below
    shape = list(plan.shape)
    shape[axis] += more
    up = plan.affine[2, axis] > 0
    affine = plan.affine.copy()
    if up:
        affine[:3, 3] -= more * affine[:3, axis]
    kept = [slice(0, n) for n in plan.shape]
    kept[axis] = slice(more, more + plan.shape[axis]) if up else kept[axis]
    x, y, z = shape
    return affine, (x, y, z), tuple(kept)


Save = Callable[[Path, torch.Tensor, np.ndarray, bool], None]


@contextmanager
def _writers() -> Iterator[Save]:
    """Compress and write beside the computation; leaving waits for the files and raises what went wrong."""
    pending: list[Future[None]] = []
    with ThreadPoolExecutor(2) as pool:

        def save(path: Path, volume: torch.Tensor, affine: np.ndarray, packed: bool) -> None:
            pending.append(pool.submit(_write_volume, path, volume.cpu().numpy(), affine, packed))

        yield save
        for one in pending:
            one.result()


def _write_volume(path: Path, volume: np.ndarray, affine: np.ndarray, packed: bool) -> None:
    """Write a NIfTI image in scanner coordinates; `packed` as 16-bit integers with the header's scale factors."""
    image = nibabel.Nifti1Image(volume, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    if packed:
        image.set_data_dtype(np.int16)
    write_atomic(path, lambda temporary: nibabel.save(image, temporary))


def _write_echo(
    out: Path, place: Orientation, echo: int, signal: torch.Tensor, top: float, settings: Simulate, save: Save
) -> None:
    """Magnitude and wrapped phase of one echo, with sidecars."""
    common: dict[str, Any] = {
        "EchoTime": settings.te[echo],
        "EchoNumber": echo + 1,
        "MagneticFieldStrength": settings.b0,
        "RepetitionTime": round(settings.te[-1] + 0.01, 6),
        "FlipAngle": 15,
        "MRAcquisitionType": "3D",
        "PulseSequenceType": "multi-echo spoiled gradient echo",
        "NonlinearGradientCorrection": True,
        "Manufacturer": "qsmflow",
        "ManufacturersModelName": f"simulate {qsmflow.__version__}",
        "Modality": "MR",
    }
    named = dict(place.entities, echo=str(echo + 1))
    for part, volume in (("mag", 1000.0 / top * signal.abs()), ("phase", signal.angle())):
        path = folder(out, named, "anat") / f"{join_entities(named | {'part': part})}_MEGRE.nii.gz"
        save(path, volume, place.affine, True)
        write_json(sidecar_path(path), common | {"Units": "rad" if part == "phase" else "arbitrary"})


def _write_truth(
    truth: Path,
    place: Orientation,
    plan: Plan,
    sample: Sample,
    total: torch.Tensor,
    local: torch.Tensor,
    settings: Simulate,
    save: Save,
) -> None:
    """Everything that is known about one orientation."""
    angle = angle_between(plan.poses[0], place.pose)
    note = {
        "OrientationAngles": list(plan.angles[place.number - 1]),
        "AngleToFirst": round(angle, 6),
        "B0_dir": list(b0_direction(place.affine)),
    }
    volumes = {
        "truth": sample.chi,
        "labels": sample.labels,
        "brain": (sample.brain >= 0.5).to(torch.uint8),
        "total": total,
        "local": local,
        "magnitude": sample.m0 * torch.exp(-settings.te[0] * sample.r2star),
    }
    for output, volume in volumes.items():
        path = derivative_path(truth, place.entities, output)
        save(path, volume, place.affine, False)
        fixed = {"SkullStripped": False, **OUTPUTS[output].sidecar, "Description": _DESCRIPTIONS[output]}
        write_json(sidecar_path(path), fixed | note)
    if place.number > 1:
        _write_transform(truth, place, plan, note)


_DESCRIPTIONS = {
    "truth": "True susceptibility relative to water, averaged over each voxel, of the whole head.",
    "labels": "Tissue that fills most of each voxel; names in desc-truth_dseg.tsv.",
    "brain": "At least half of the voxel is brain.",
    "total": "True field of the whole head in endless air, relative to B0.",
    "local": "True field of the brain's susceptibility relative to its mean, outside of which nothing is magnetised.",
    "magnitude": "Magnitude of the first echo without noise and receiver.",
}


def _write_transform(truth: Path, place: Orientation, plan: Plan, note: dict[str, Any]) -> None:
    """The rigid transform that resamples this orientation onto the first."""
    from nitransforms.linear import Affine

    names = {"from": f"ori{place.number}", "to": "ori1", "mode": "image"}
    subject = {key: value for key, value in place.entities.items() if key != "acq"}
    path = derivative_path(truth, subject, "xfm", **names)
    matrix = place.pose @ np.linalg.inv(plan.poses[0])
    write_atomic(path, lambda temporary: Affine(matrix).to_filename(temporary, fmt="itk"))
    write_json(
        sidecar_path(path),
        {
            "Description": "Takes scanner coordinates of the first orientation to those of this one, which is what a "
            "resampler needs to bring this image onto the first. ITK text file, LPS coordinates.",
            "MatrixRAS": matrix.round(9).tolist(),
            **note,
        },
    )
