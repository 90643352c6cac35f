"""One face laid on another as well as an affine map can, so that a copy is seen whatever its landmarks were.

Landmarks of a copy that was scaled, lit or pasted otherwise move by pixels, and then the pixels of two equal faces
differ more than those of two photos do. This is the method of Lucas and Kanade ("An iterative image registration
technique", 1981) on light and shade of mean 0 and deviation 1, as Evangelidis and Psarakis (2008) have it.
"""

from __future__ import annotations

import functools

import numpy as np

from ..colour_spaces import LUMA

# The face without hair and background in the aligned face of 112 px, x and y: the window that is compared.
LEFT, RIGHT, TOP, BOTTOM = 20, 92, 22, 106
LEVELS = ((4, 2.0, 10), (2, 1.0, 8))  # step between the points compared and blur, px, and rounds
MOST_STRETCH = 0.45  # what turns or stretches a face more than this lays something else on it
# What photos are blurred by to be as soft as a picture of them may be, px: a blurred copy lacks the details that two
# photos differ in, and would be less like its photo than they are like each other.
BLURS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)

# How one face lies on another, [2, 3]: where x and y of one are seen in the other, in units of 40 px from the middle.
STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def correlation(photo: np.ndarray, picture: np.ndarray) -> tuple[float, int]:
    """Return the correlation, -1..1, of a picture laid on a photo, and which of BLURS the photo was given for it.

    Both are aligned faces `[112, 112, 3]`. The blur with which they agree best counts.
    """
    second, warp = _laid(photo, picture)
    seen = _seen(second, BLURS[0], warp)
    values = [float((_seen(photo, blur, STILL) * seen).mean()) for blur in BLURS]
    best = int(np.argmax(values))
    return values[best], best


def correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation, -1..1, of two photos laid on each other, both blurred by each of BLURS, `[B]`."""
    second, warp = _laid(first, second)
    return np.array([(_seen(first, blur, STILL) * _seen(second, blur, warp)).mean() for blur in BLURS])


def _laid(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the second face, or its mirror image where that fits better, and how it lies on the first."""
    ways = [(*_warp(first, face), face) for face in (second, second[:, ::-1])]
    _, warp, face = max(ways, key=lambda way: way[0])
    return face, warp


def _warp(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the best correlation found on the finest level, and the warp that gave it."""
    warp, best = STILL, (-1.0, STILL)
    for step, blur, rounds in LEVELS:
        wanted = _seen(first, blur, STILL, step)
        shades = _shades(second, blur)
        slope_y, slope_x = np.gradient(shades)
        across, down = _points(step)
        best = (-1.0, warp)
        for _ in range(rounds):
            seen = _sampled(shades, warp, step)
            now = _level(seen)
            best = max(best, (float((wanted * now).mean()), warp), key=lambda one: one[0])
            scale = 40 / max(float(seen.std()), 1e-6)
            by_x, by_y = (_sampled(slope, warp, step) * scale for slope in (slope_x, slope_y))
            jacobian = np.stack((by_x * across, by_x * down, by_x, by_y * across, by_y * down, by_y), 1)
            jacobian -= jacobian.mean(0)
            move = np.linalg.lstsq(jacobian, wanted - now, rcond=1e-4)[0].reshape(2, 3)
            if not np.isfinite(move).all() or np.abs(warp + move - STILL).max() > MOST_STRETCH:
                break
            warp = warp + move
        warp = best[1]
    return best


def _seen(face: np.ndarray, blur: float, warp: np.ndarray, step: int = LEVELS[-1][0]) -> np.ndarray:
    """Return light and shade of a face at the points compared, of mean 0 and deviation 1."""
    return _level(_sampled(_shades(face, blur), warp, step))


def _sampled(plane: np.ndarray, warp: np.ndarray, step: int) -> np.ndarray:
    from scipy.ndimage import map_coordinates  # here: the command line, which has no scipy, reads reports

    x, y = (56 + 40 * (row[0] * _points(step)[0] + row[1] * _points(step)[1] + row[2]) for row in warp)
    return map_coordinates(plane, (y, x), order=1, mode="nearest")


@functools.cache
def _points(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points compared, across and down, in units of 40 px from the middle."""
    y, x = np.mgrid[TOP:BOTTOM:step, LEFT:RIGHT:step]
    return (x.ravel() - 56) / 40, (y.ravel() - 56) / 40


def _shades(face: np.ndarray, blur: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.asarray(face, np.float64) @ LUMA, blur)


def _level(values: np.ndarray) -> np.ndarray:
    values = values - values.mean()
    return values / max(float(values.std()), 1e-6)
