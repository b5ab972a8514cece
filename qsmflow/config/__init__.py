"""Every default of qsmflow, once.

Each stage has one frozen dataclass whose fields carry default, meaning and range. The command line, the traits of the
interfaces, the TOML files and the documentation are derived from these classes; the defaults in the signatures of
``qsmflow.core`` repeat them and a parity test holds the two together.
"""

from .background import BACKGROUNDS, ISMV, LBV, PDF, RESHARP, VSharp
from .choices import Reference, TwoPass, WeightChoice
from .field import Field, ScalePhase, Unwrap
from .inversion import ILSQR, INVERSIONS, L2, MEDI, NDI, NLTGV, NLTV, NONLINEAR, RTS, TGV, TKD, TSVD, TV, WHTV
from .kspace import GRAPPA, CoilCombine, ESPIRiT
from .masks import BrainMask, CSFMask, QualityMask
from .networks import NETWORKS, SIQSM, DeepQSM, Denoiser, QSMnet, QSMnetPlus
from .orientations import COSMOS, OrientationWeights, Registration
from .run import Config
from .simulate import Simulate

__all__ = [
    "BACKGROUNDS",
    "COSMOS",
    "GRAPPA",
    "ILSQR",
    "INVERSIONS",
    "ISMV",
    "L2",
    "LBV",
    "MEDI",
    "NDI",
    "NETWORKS",
    "NLTGV",
    "NLTV",
    "NONLINEAR",
    "PDF",
    "RESHARP",
    "RTS",
    "SIQSM",
    "TGV",
    "TKD",
    "TSVD",
    "TV",
    "WHTV",
    "BrainMask",
    "CSFMask",
    "CoilCombine",
    "Config",
    "DeepQSM",
    "Denoiser",
    "ESPIRiT",
    "Field",
    "OrientationWeights",
    "QSMnet",
    "QSMnetPlus",
    "QualityMask",
    "Reference",
    "Registration",
    "ScalePhase",
    "Simulate",
    "TwoPass",
    "Unwrap",
    "VSharp",
    "WeightChoice",
]
