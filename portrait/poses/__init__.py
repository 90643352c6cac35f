"""Poses: presets and OpenPose JSON in, the map that an OpenPose ControlNet reads out."""

from .drawing import draw
from .layout import POINTS
from .library import FOLDER, SUFFIXES, PosePreset, load, names
from .openpose import FITS, Fit, Pose, parse, read, to_pose_keypoint

__all__ = [
    "FITS",
    "FOLDER",
    "POINTS",
    "SUFFIXES",
    "Fit",
    "Pose",
    "PosePreset",
    "draw",
    "load",
    "names",
    "parse",
    "read",
    "to_pose_keypoint",
]
