"""Colours by colour-science, which the tests of tones and grades compare with, and .cube files to read."""

from __future__ import annotations

import numpy as np

from portrait_studio.portrait.tones.lut import colour_science

colour = colour_science()
D65 = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]


def lab(encoded: np.ndarray) -> np.ndarray:
    return colour.XYZ_to_Lab(colour.sRGB_to_XYZ(encoded), D65)


def write_cube(path, table, extra=""):
    size = len(table)
    rows = "\n".join(" ".join(f"{part:.7f}" for part in row) for row in table.transpose(2, 1, 0, 3).reshape(-1, 3))
    path.write_text(f'TITLE "look"\n{extra}LUT_3D_SIZE {size}\n{rows}\n', "utf-8")
    return path
