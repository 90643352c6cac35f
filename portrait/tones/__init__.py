"""Tones: looks as data, applied as 3D LUTs that leave skin its hue."""

from .grade import Grade
from .library import FOLDER, TonePreset, load, names
from .lut import apply, identity, read_cube

__all__ = ["FOLDER", "Grade", "TonePreset", "apply", "identity", "load", "names", "read_cube"]
