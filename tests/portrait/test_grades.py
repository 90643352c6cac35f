"""Colour spaces, grades and .cube files, against colour-science."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portrait_studio.portrait import colour_spaces as spaces
from portrait_studio.portrait import tones
from portrait_studio.portrait.errors import PortraitError

from .colours import D65, colour, lab, write_cube


def test_lab_and_back_agree_with_colour_science():
    points = np.random.default_rng(2).random((200, 3))
    assert np.allclose(spaces.to_lab(points), lab(points), atol=0.05)
    assert np.allclose(spaces.from_lab(spaces.to_lab(points)), points, atol=1e-9)


def test_a_mired_shift_moves_white_along_the_planckian_locus():
    for mired in (-60, -20, 30, 100):
        white = spaces.white_balance(mired, 0.0).sum(axis=1)
        xyz = colour.models.RGB_COLOURSPACE_sRGB.matrix_RGB_to_XYZ @ white
        before, after = (colour.temperature.CCT_to_uv_Krystek1985(1e6 / m) for m in (1e6 / 6504, 1e6 / 6504 + mired))
        seen = colour.UCS_to_uv(colour.XYZ_to_UCS(xyz))
        d65 = colour.UCS_to_uv(colour.XYZ_to_UCS(colour.xy_to_XYZ(D65)))
        assert np.allclose(seen - d65, after - before, atol=3e-3)
        assert xyz[1] == pytest.approx(1.0, abs=1e-4)
    warm, magenta = spaces.white_balance(40, 0).sum(axis=1), spaces.white_balance(0, 10).sum(axis=1)
    assert warm[0] > warm[1] > warm[2]
    assert magenta[1] < min(magenta[0], magenta[2])


def test_fitting_the_gamut_keeps_luma():
    points = np.random.default_rng(4).uniform(-0.3, 1.3, (200, 3))
    fitted = spaces.fit_gamut(points)
    assert fitted.min() >= -1e-9 and fitted.max() <= 1 + 1e-9
    assert np.allclose(fitted @ spaces.LUMA, np.clip(points @ spaces.LUMA, 0, 1))


def test_a_grade_of_defaults_is_the_identity():
    assert np.abs(tones.Grade().lut() - tones.identity()).max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "does"),
    [
        ({"exposure": 1.0}, lambda a, b: b.mean() > a.mean() and b.max() <= 1),
        ({"exposure": -1.0}, lambda a, b: b.mean() < a.mean()),
        ({"temperature": 50}, lambda a, b: b[:, 0].mean() - b[:, 2].mean() > 0.03),
        ({"tint": 10}, lambda a, b: b[:, 1].mean() < min(b[:, 0].mean(), b[:, 2].mean())),
        ({"contrast": 0.4}, lambda a, b: b.std() > a.std()),
        ({"contrast": -0.4}, lambda a, b: b.std() < a.std()),
        ({"saturation": 0.0}, lambda a, b: np.allclose(b, b[:, :1])),
        ({"monochrome": [0.3, 0.5, 0.2]}, lambda a, b: np.allclose(b[:, 0], a @ (0.3, 0.5, 0.2), atol=1e-6)),
        ({"black": 0.1, "white": 0.9}, lambda a, b: b.min() >= 0.1 and b.max() <= 0.9),
        ({"lift": [0.1, 0, 0]}, lambda a, b: (b[:, 0] >= a[:, 0] - 1e-6).all()),
        ({"gain": [1.0, 1.0, 0.5]}, lambda a, b: b[:, 2].mean() < 0.8 * a[:, 2].mean()),
        ({"gamma": [2.0, 2.0, 2.0]}, lambda a, b: b.mean() > a.mean()),
        ({"curve": [[0, 0], [0.5, 0.7], [1, 1]]}, lambda a, b: b.mean() > a.mean()),
        ({"shadow_hue": 240.0, "shadow_amount": 0.2}, lambda a, b: b[:, 2].mean() > a[:, 2].mean()),
        ({"highlight_hue": 0.0, "highlight_amount": 0.2}, lambda a, b: b[:, 0].mean() > a[:, 0].mean()),
    ],
)
def test_each_setting_does_what_its_name_says(settings, does):
    grid = tones.identity(9).reshape(-1, 3)
    graded = tones.Grade.read(settings).lut(9).reshape(-1, 3)
    assert not np.allclose(grid, graded)
    assert does(grid, graded)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"exposre": 1}, "'exposure'"),
        ({"exposure": 9}, "'exposure' is 9"),
        ({"exposure": "1"}, "'exposure'"),
        ({"exposure": True}, "'exposure'"),
        ({"exposure": float("nan")}, "'exposure'"),
        ({"gain": [1, 1]}, "'gain'"),
        ({"gain": [1, 1, 99]}, "'gain' is 99"),
        ({"curve": [[0, 0]]}, "'curve'"),
        ({"curve": [[0, 0], [0.5, 0.6], [0.4, 1]]}, "turns back"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings, says):
    with pytest.raises(PortraitError, match=says):
        tones.Grade.read(settings)


def test_a_cube_file_is_read_red_first(tmp_path):
    table = np.random.default_rng(5).random((4, 4, 4, 3)).astype(np.float32)
    assert np.allclose(tones.read_cube(write_cube(tmp_path / "a.cube", table)), table, atol=1e-6)


def test_a_domain_other_than_zero_to_one_is_resampled(tmp_path):
    table = tones.identity(9) ** 2
    path = write_cube(tmp_path / "a.cube", table, "DOMAIN_MIN 0 0 0\nDOMAIN_MAX 2 2 2\n")
    lut = tones.read_cube(path)
    grey = torch.full((1, 3), 0.5)
    assert tones.apply(grey, lut)[0].tolist() == pytest.approx([0.0625] * 3, abs=1e-3)


def test_a_one_dimensional_cube_becomes_a_lut(tmp_path):
    (tmp_path / "a.cube").write_text("LUT_1D_SIZE 3\n0 0 0\n0.25 0.5 0.75\n1 1 1\n", "utf-8")
    lut = tones.read_cube(tmp_path / "a.cube")
    assert tones.apply(torch.full((1, 3), 0.5), lut)[0].tolist() == pytest.approx([0.25, 0.5, 0.75], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.cube"),
        ("hello world", "not a .cube"),
        ("LUT_3D_SIZE 2\n0 0 0\n", "not a .cube"),
        ("LUT_3D_SIZE 2\n" + "0 0 nan\n" * 8, "not finite"),
        ("LUT_3D_SIZE 2\n" + "0 0 inf\n" * 8, "not finite"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 1 1 1\nDOMAIN_MAX 0 0 0\n" + "0 0 0\n" * 8, "domain"),
        ("LUT_3D_SIZE 100000\n0 0 0\n", "2 to 129"),
        ("LUT_3D_SIZE -3\n", "2 to 129"),
        ("LUT_3D_SIZE 2\n" + "0 0 zero\n" * 8, "not a .cube"),
    ],
)
def test_a_file_that_is_no_lut_is_refused_by_name(tmp_path, text, says):
    (tmp_path / "a.cube").write_text(text, "utf-8")
    with pytest.raises(PortraitError, match=says):
        tones.read_cube(tmp_path / "a.cube")
