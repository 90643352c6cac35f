"""The rasteriser's kernel for a CPU; see raster.py for the arguments. The arithmetic is raster.cu's."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, inline="always")
def _hash(i, j, k):
    n = np.uint32(np.uint32(i) * np.uint32(73856093)) ^ np.uint32(np.uint32(j) * np.uint32(19349663))
    n = np.uint32(n ^ np.uint32(np.uint32(k) * np.uint32(83492791)))
    n = np.uint32(np.uint32(n ^ (n >> np.uint32(13))) * np.uint32(1274126177))
    n = np.uint32(n ^ (n >> np.uint32(16)))
    return np.float32(n & np.uint32(0xFFFF)) / np.float32(65535.0)


@numba.njit(cache=True)
def value_noise(x, y, z):
    """Smooth value noise in 0..1 at (x, y, z), one lattice cell a unit."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - i, y - j, z - k
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    out = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                w = (fx if a else 1 - fx) * (fy if b else 1 - fy) * (fz if c else 1 - fz)
                out += w * _hash(i + a, j + b, k + c)
    return out


@numba.njit(cache=True, parallel=True, fastmath=True)
def raster(points, keep, noise, tris, perspective, depth, index):
    """Draw into depth [B,H,W] (inf) and index [B,H,W] (-1), in place."""
    height, width = depth.shape[1], depth.shape[2]
    for image in numba.prange(points.shape[0]):
        for t in range(tris.shape[0]):
            a, b, c = tris[t, 0], tris[t, 1], tris[t, 2]
            ka, kb, kc = keep[image, a], keep[image, b], keep[image, c]
            amplitude = noise[a, 4]
            if max(ka, kb, kc) + 0.5 * max(amplitude, 0.0) < 0:
                continue
            za, zb, zc = points[image, a, 2], points[image, b, 2], points[image, c, 2]
            if perspective and min(za, zb, zc) < 0.05:
                continue
            x0, y0 = points[image, a, 0], points[image, a, 1]
            x1, y1 = points[image, b, 0], points[image, b, 1]
            x2, y2 = points[image, c, 0], points[image, c, 1]
            left, right = (
                max(0, int(np.ceil(min(x0, x1, x2) - 0.5))),
                min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5))),
            )
            top, bottom = (
                max(0, int(np.ceil(min(y0, y1, y2) - 0.5))),
                min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5))),
            )
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            if abs(area) < 1e-9:
                continue
            inverse = 1.0 / area
            wa, wb, wc = (1 / za, 1 / zb, 1 / zc) if perspective else (np.float32(1), np.float32(1), np.float32(1))
            for j in range(top, bottom + 1):
                for i in range(left, right + 1):
                    px, py = i + 0.5, j + 0.5
                    l1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
                    l2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
                    l0 = 1.0 - l1 - l2
                    if l0 < 0 or l1 < 0 or l2 < 0:
                        continue
                    q0, q1, q2 = l0 * wa, l1 * wb, l2 * wc
                    s = 1 / (q0 + q1 + q2)
                    q0, q1, q2 = q0 * s, q1 * s, q2 * s
                    z = s if perspective else l0 * za + l1 * zb + l2 * zc
                    if z >= depth[image, j, i]:
                        continue
                    k = q0 * ka + q1 * kb + q2 * kc
                    if amplitude > 0:
                        e = q0 * noise[a, 3] + q1 * noise[b, 3] + q2 * noise[c, 3]
                        n = value_noise(
                            q0 * noise[a, 0] + q1 * noise[b, 0] + q2 * noise[c, 0],
                            q0 * noise[a, 1] + q1 * noise[b, 1] + q2 * noise[c, 1],
                            q0 * noise[a, 2] + q1 * noise[b, 2] + q2 * noise[c, 2],
                        )
                        k += amplitude * (n - 0.5) - 0.6 * e * e * e * e
                    if amplitude < 0:
                        e = q0 * noise[a, 3] + q1 * noise[b, 3] + q2 * noise[c, 3]
                        k = k * (1 - 0.85 * e * e) - (_hash(i, j, int(noise[a, 0])) if perspective else np.float32(0.5))
                    if k < 0:
                        continue
                    depth[image, j, i] = z
                    index[image, j, i] = t
