"""Removal of the background field: what sources outside the brain add to the field inside."""

from .ismv import ismv
from .lbv import lbv
from .pdf import pdf
from .resharp import resharp
from .vsharp import vsharp

__all__ = ["ismv", "lbv", "pdf", "resharp", "vsharp"]
