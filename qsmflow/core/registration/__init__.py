"""Registration of two gradient-echo magnitudes, and what is done with the transform."""

from .resample import resample
from .rigid import RigidResult, affine_register, rigid_register
from .transforms import flirt_to_world, rotation_error_deg, translation_error_mm, world_to_flirt

__all__ = [
    "RigidResult",
    "affine_register",
    "flirt_to_world",
    "resample",
    "rigid_register",
    "rotation_error_deg",
    "translation_error_mm",
    "world_to_flirt",
]
