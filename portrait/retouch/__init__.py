"""Retouch: blemishes out of faces, pores and moles kept."""

from . import pigments
from .retouching import LEAST_KEPT, FaceRetouch, Retouched, RetouchError, retouch

__all__ = ["LEAST_KEPT", "FaceRetouch", "RetouchError", "Retouched", "pigments", "retouch"]
