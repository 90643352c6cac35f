"""Retouch: blemishes out of faces, pores and moles kept."""

from . import pigments
from .retouching import FaceRetouch, Retouched, RetouchError, retouch
from .told import LEAST_KEPT, RetouchReport, measured

__all__ = ["LEAST_KEPT", "FaceRetouch", "RetouchError", "RetouchReport", "Retouched", "measured", "pigments", "retouch"]
