"""Tones: looks as data, applied as 3D LUTs that leave skin its hue."""

from .grade import Grade
from .library import FOLDER, SUFFIXES, TonePreset, load, names
from .lut import apply, identity, read_cube

__all__ = ["FOLDER", "SUFFIXES", "Grade", "TonePreset", "apply", "identity", "load", "names", "read_cube"]
