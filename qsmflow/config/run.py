"""Everything a run can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from qsmflow.settings import ConfigError, setting

from .background import BACKGROUNDS, ISMV, LBV, PDF, RESHARP, VSharp
from .choices import Reference, TwoPass, WeightChoice
from .field import Field, ScalePhase, Unwrap
from .inversion import ILSQR, INVERSIONS, L2, MEDI, NDI, NLTGV, NLTV, RTS, TGV, TKD, TSVD, TV, WHTV
from .kspace import GRAPPA, CoilCombine, ESPIRiT
from .masks import BrainMask, CSFMask, QualityMask
from .networks import SIQSM, DeepQSM, Denoiser, QSMnet, QSMnetPlus
from .orientations import COSMOS, OrientationWeights, Registration


@dataclass(frozen=True)
class Config(OrientationWeights, TwoPass, WeightChoice, Reference):
    """Everything a `qsmflow run` can be told about its stages; the TOML tables carry these names."""

    background: str = setting("vsharp", "background removal", choices=tuple(BACKGROUNDS))
    inversion: tuple[str, ...] = setting(("qsmnet", "l2"), "inversions of each orientation", choices=INVERSIONS)
    denoise: str = setting(
        "none",
        "network: take the noise out of the local field before it is inverted, by the weights of the denoiser",
        choices=("none", "network"),
    )
    rois: str = setting(
        "cores",
        "regions where neither labels nor an atlas are supplied: approximate cores of the deep nuclei, or none",
        choices=("cores", "none"),
    )
    orientation_entity: str = setting("acq", "BIDS entity that tells the orientations of one head apart")
    grappa: GRAPPA = field(default_factory=GRAPPA)
    espirit: ESPIRiT = field(default_factory=ESPIRiT)
    coil_combine: CoilCombine = field(default_factory=CoilCombine)
    scale_phase: ScalePhase = field(default_factory=ScalePhase)
    brain_mask: BrainMask = field(default_factory=BrainMask)
    quality_mask: QualityMask = field(default_factory=QualityMask)
    csf_mask: CSFMask = field(default_factory=CSFMask)
    unwrap: Unwrap = field(default_factory=Unwrap)
    vsharp: VSharp = field(default_factory=VSharp)
    resharp: RESHARP = field(default_factory=RESHARP)
    lbv: LBV = field(default_factory=LBV)
    pdf: PDF = field(default_factory=PDF)
    ismv: ISMV = field(default_factory=ISMV)
    tkd: TKD = field(default_factory=TKD)
    tsvd: TSVD = field(default_factory=TSVD)
    l2: L2 = field(default_factory=L2)
    ilsqr: ILSQR = field(default_factory=ILSQR)
    rts: RTS = field(default_factory=RTS)
    tv: TV = field(default_factory=TV)
    nltv: NLTV = field(default_factory=NLTV)
    tgv: TGV = field(default_factory=TGV)
    nltgv: NLTGV = field(default_factory=NLTGV)
    ndi: NDI = field(default_factory=NDI)
    whtv: WHTV = field(default_factory=WHTV)
    medi: MEDI = field(default_factory=MEDI)
    qsmnet: QSMnet = field(default_factory=QSMnet)
    qsmnet_plus: QSMnetPlus = field(default_factory=QSMnetPlus)
    siqsm: SIQSM = field(default_factory=SIQSM)
    deepqsm: DeepQSM = field(default_factory=DeepQSM)
    denoiser: Denoiser = field(default_factory=Denoiser)
    registration: Registration = field(default_factory=Registration)
    cosmos: COSMOS = field(default_factory=COSMOS)
    # last, because from here on `field` is this setting and no longer the function
    field: Field = field(default_factory=Field)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.field.method == "nonlinear" and self.unwrap.method == "laplacian":
            raise ConfigError("field.method: nonlinear needs phase true to 2 pi: set unwrap.method to another")
        if self.choose_weight == "none":
            return
        weights = {name: getattr(self, name).weight for name in INVERSIONS if hasattr(getattr(self, name), "weight")}
        chosen = [name for name in self.inversion if name in weights]
        if not chosen:
            told = f"{', '.join(self.inversion)} without a weight that the data could choose"
            raise ConfigError(f"choose_weight: {told}; add one of {', '.join(weights)}, or set it to none")
        for name in chosen:
            if weights[name] == 0:
                raise ConfigError(f"{name}.weight: 0 is no weight to look around for a better one; set it above 0")
