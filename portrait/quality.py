"""What a photograph says about its face: where it looks, how sharp and how well lit it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .faces import Face
from .identity import align

# The nose tip stands out of the plane of eyes and mouth by this part of the eye distance. Fitted on 33 rendered heads
# of seven people with known yaw (-60 to 60 degrees): median error 2 degrees, 90% below 6.
NOSE_DEPTH = 0.75
# Where the nose tip lies on the way from the eyes to the mouth when the head is held level, how much higher it seems on
# a turned head, and how many degrees of nodding one unit of that way means. The same heads gave 500 degrees a unit, but
# people differ by as much as 15 degrees of nodding, so the estimate is pulled towards level and remains rough.
NOSE_HEIGHT = 0.56
NOSE_RISE = 0.38
PITCH_GAIN = 150.0
STEEPEST = 80.0
# A Gaussian of deviation 0.7 px, seven values wide.
SMOOTHING = np.exp(-(np.arange(-3, 4, dtype=np.float32) ** 2) / (2 * 0.7**2))
SMOOTHING /= SMOOTHING.sum()
# Rec. 709 luma of sRGB values.
LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Quality:
    """Angles in degrees (yaw: the nose points right of the picture when positive; pitch: down when positive; roll:
    clockwise when positive), sharpness (0 and up; see sharpness()), and light as luma 0..1.

    `brightest` is the 95th percentile of the face, which stays high on dark skin in good light; `blown` is the part of
    the face that is pure white.
    """

    yaw: float
    pitch: float
    roll: float
    sharpness: float
    brightest: float
    blown: float


def measure(image: np.ndarray, face: Face) -> Quality:
    """Return the quality of one face of a picture `[H, W, 3]` (RGB, uint8)."""
    return measure_aligned(align(image, face), face)


def measure_aligned(aligned: np.ndarray, face: Face) -> Quality:
    """Return the quality of one face, of which identity.align made `[112, 112, 3]`: every face is seen at one size."""
    # The middle of the aligned face: eyes, nose, mouth and cheeks, no background.
    luma = (aligned[24:108, 20:92].astype(np.float32) @ np.array(LUMA, np.float32)) / 255
    yaw, pitch = angles(face)
    return Quality(
        yaw=yaw,
        pitch=pitch,
        roll=face.roll,
        sharpness=sharpness(luma),
        brightest=float(np.percentile(luma, 95)),
        blown=float((luma > 0.985).mean()),
    )


def angles(face: Face) -> tuple[float, float]:
    """Return yaw and pitch in degrees from the five landmarks, seen in parallel projection.

    Turned by yaw, a nose that stands out by NOSE_DEPTH eye distances moves sideways by NOSE_DEPTH sin(yaw) while the
    eye distance shrinks to cos(yaw), so tan(yaw) = offset / (NOSE_DEPTH eye distance), with the offset taken from the
    line between the middles of eyes and mouth, which holds up where a far eye is hidden. Pitch follows from how far
    down that line the nose lies; it is rough.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = np.array(face.landmarks, np.float64)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    down = mouth - eyes
    length = float(np.hypot(*down))
    if length < 1e-6:
        return 0.0, 0.0
    down /= length
    across = np.array((down[1], -down[0]))
    along = float((nose - eyes) @ down) / length
    offset = float((nose - eyes) @ across)
    apart = max(float((right_eye - left_eye) @ across), 0.05 * length)
    yaw = math.degrees(math.atan2(offset, NOSE_DEPTH * apart))
    pitch = PITCH_GAIN * (along - NOSE_HEIGHT + NOSE_RISE * (1 - math.cos(math.radians(yaw))))
    return float(np.clip(yaw, -STEEPEST, STEEPEST)), float(np.clip(pitch, -STEEPEST, STEEPEST))


def sharpness(luma: np.ndarray) -> float:
    """Return the variance of the Laplacian over the variance of the picture, both of `luma` `[h, w]`, 0..1.

    The variance of the Laplacian is the focus measure LAPV of Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy" (2000); the division makes it the same in dim and in contrasty light. A little smoothing first keeps the
    grain of a high ISO from passing for detail.
    """
    padded = np.pad(luma.astype(np.float32), len(SMOOTHING) // 2, mode="reflect")
    rows = np.lib.stride_tricks.sliding_window_view(padded, len(SMOOTHING), axis=0) @ SMOOTHING
    smooth = np.lib.stride_tricks.sliding_window_view(rows, len(SMOOTHING), axis=1) @ SMOOTHING
    spread = float(smooth.var())
    if spread < 1e-6:
        return 0.0
    around = np.pad(smooth, 1, mode="reflect")
    neighbours = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    return float((neighbours - 4 * smooth).var()) / spread
