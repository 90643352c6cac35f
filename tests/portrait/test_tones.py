"""Tones: LUTs in torch, presets, and skin that keeps its hue."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from skimage.data import astronaut

from portrait_studio.portrait import colour_spaces as spaces
from portrait_studio.portrait import tones
from portrait_studio.portrait.disk import parse_toml
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.portrait.tones import skin
from portrait_studio.portrait.tones.grade import Grade

from ..present import present
from .colours import colour, lab, write_cube

# Skin in full light: a light, a medium and a dark face, as sRGB. A ramp is the same skin from deep shade to the sun.
SKINS = {"light": (0.86, 0.69, 0.60), "medium": (0.66, 0.47, 0.36), "dark": (0.376, 0.255, 0.204)}


def test_reading_luts_leaves_no_empty_matplotlib_behind():
    code = "from portrait_studio.portrait.tones.lut import colour_science as c; c(); import importlib.util as u, sys; "
    code += "u.find_spec('matplotlib'); assert all(m.__spec__ for n, m in sys.modules.items() if n == 'matplotlib')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def ramp(name: str) -> np.ndarray:
    light = np.linspace(0.15, 1.25, 12)[:, None]
    return spaces.to_encoded(np.clip(spaces.to_linear(np.array(SKINS[name])) * light, 0, 1))


def skin_shift(before: np.ndarray, after: np.ndarray) -> float:
    """The most CIEDE2000 between graded skin and the same skin under other light of the same lightness."""
    graded = lab(after)
    return float(colour.delta_E(graded, skin.relit(lab(before), graded[:, 0]), method="CIE 2000").max())


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return torch.from_numpy(astronaut()[:256, :256] / 255.0).float()[None]


# --- applying


def test_the_identity_lut_changes_nothing():
    image = torch.rand((2, 40, 50, 3), generator=torch.Generator().manual_seed(3))
    assert (tones.apply(image, tones.identity()) - image).abs().max() <= 1e-6


def test_strength_zero_returns_the_very_image(photo):
    assert tones.apply(photo, tones.load("sepia").lut, 0.0) is photo


def test_strength_mixes_linearly(photo):
    lut = tones.load("vivid").lut
    half, full = tones.apply(photo, lut, 0.5), tones.apply(photo, lut)
    assert torch.allclose(half, (photo + full) / 2, atol=1e-5)


@pytest.mark.parametrize("size", [2, 17, 33, 65])
def test_the_result_is_pillows_within_one_step_of_eight_bits(size):
    lut = np.random.default_rng(size).random((size, size, size, 3), dtype=np.float32)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (120, 130, 3), dtype=np.uint8))
    theirs = picture.filter(ImageFilter.Color3DLUT(size, lut.transpose(2, 1, 0, 3).ravel().tolist()))
    ours = tones.apply(torch.from_numpy(np.array(picture)).float() / 255, lut)
    assert np.abs(ours.numpy() * 255 - np.asarray(theirs, np.float32)).max() <= 1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_every_size_interpolates_as_a_library_of_colour_does(size, seed):
    random = np.random.default_rng(seed)
    table = random.random((size, size, size, 3))
    points = np.concatenate((random.random((40, 3)), np.array(list(itertools.product((0.0, 1.0), repeat=3)))))
    expected = colour.LUT3D(table).apply(points, interpolator=colour.algebra.table_interpolation_trilinear)
    found = tones.apply(torch.from_numpy(points).float(), table.astype(np.float32))
    assert np.abs(found.numpy() - expected).max() < 1e-3


def test_values_outside_are_clamped_and_further_channels_kept():
    image = torch.tensor([[[[-0.5, 0.5, 1.5, 0.25]]]])
    assert tones.apply(image, tones.identity())[0, 0, 0].tolist() == [0.0, 0.5, 1.0, 0.25]


def test_half_precision_stays_half_precision(photo):
    half = tones.apply(photo.half(), tones.load("warm-film").lut)
    assert half.dtype == torch.float16
    assert (half.float() - tones.apply(photo, tones.load("warm-film").lut)).abs().max() < 4e-3


@pytest.mark.parametrize(
    ("channels", "lut"), [(1, (5, 5, 5, 3)), (3, (5, 4, 5, 3)), (3, (1, 1, 1, 3)), (3, (5, 5, 5, 4))]
)
def test_what_cannot_be_graded_is_refused(channels, lut):
    with pytest.raises(PortraitError, match="cannot be"):
        tones.apply(torch.zeros((4, 4, channels)), np.zeros(lut, np.float32))


# --- presets


def test_there_are_enough_presets_and_their_words_differ():
    found = [tones.load(name) for name in tones.names()]
    assert len(found) >= 16
    assert all(2 <= len(tone.words.split()) <= 4 for tone in found)
    assert len({tone.words for tone in found}) == len(found)
    for one, other in itertools.combinations(found, 2):
        assert len(set(one.words.split()) & set(other.words.split())) <= 1, (one.name, other.name)
    assert all({"en", "ko"} <= set(tone.title) and tone.negative for tone in found)


def test_no_two_tones_look_alike(photo):
    small = photo[0, ::2, ::2].reshape(-1, 3)
    looks = {name: tones.apply(small, tones.load(name).protected_lut()).numpy() for name in tones.names()}
    labs = {name: spaces.to_lab(picture) for name, picture in (looks | {"none": small.numpy()}).items()}
    for one, other in itertools.combinations(labs, 2):
        assert np.linalg.norm(labs[one] - labs[other], axis=1).mean() > 2.3, (one, other)


@pytest.mark.parametrize("name", tones.names())
def test_a_tone_neither_posterises_nor_reverses(name):
    lut = tones.load(name).protected_lut().astype(np.float64)
    assert lut.min() >= 0 and lut.max() <= 1
    grey = lut[np.arange(33), np.arange(33), np.arange(33)] @ spaces.LUMA
    steps = np.diff(grey)
    assert steps.min() > -1e-4, "a brighter grey must not come out darker"
    assert steps.max() < 3.2 / 32, "a grey ramp must not tear"


@pytest.mark.parametrize("name", tones.names())
def test_skin_stays_within_the_limit_that_the_tone_states(name):
    tone = tones.load(name)
    if tone.skin_limit is None:
        assert name in {"black-and-white", "silver-gelatin", "sepia"}, "only looks without colour are exempt"
        return
    lut = tone.protected_lut()
    for kind in SKINS:
        before = ramp(kind)
        after = tones.apply(torch.from_numpy(before).float(), lut).numpy()
        assert skin_shift(before, after) <= present(tone.skin_limit) <= 10.0, kind


def test_without_protection_most_tones_would_break_their_limit():
    broken = 0
    limited = [tone for tone in map(tones.load, tones.names()) if tone.skin_limit is not None]
    for tone in limited:
        shifts = [skin_shift(ramp(k), tones.apply(torch.from_numpy(ramp(k)).float(), tone.lut).numpy()) for k in SKINS]
        broken += max(shifts) > present(tone.skin_limit)
    assert broken >= 0.8 * len(limited)


def test_full_protection_holds_skin_and_leaves_other_colours():
    tone = tones.load("golden-hour")
    lut = tone.protected_lut(1.0)
    for kind in ("medium", "dark"):
        before = ramp(kind)
        assert skin_shift(before, tones.apply(torch.from_numpy(before).float(), lut).numpy()) < 1.5
    others = torch.tensor([[0.2, 0.4, 0.8], [0.1, 0.6, 0.2], [0.5, 0.5, 0.5], [0.9, 0.1, 0.1]])
    assert torch.allclose(tones.apply(others, lut), tones.apply(others, tone.lut), atol=1e-3)


def test_skin_is_told_from_what_is_not_skin():
    for kind in SKINS:
        assert skin.likelihood(ramp(kind)).min() > 0.95
    others = np.array([(0.2, 0.4, 0.8), (0.1, 0.6, 0.2), (0.5, 0.5, 0.5), (1, 1, 1), (0, 0, 0), (0.9, 0.3, 0.1)])
    assert skin.likelihood(others).max() < 0.05


def test_a_face_in_a_photograph_keeps_its_colour_under_moonlight(photo):
    face = photo[0, 95:140, 205:245].reshape(-1, 3)
    tone = tones.load("moonlight")

    def shift(lut: np.ndarray) -> float:
        graded = spaces.to_lab(tones.apply(face, lut).numpy())
        same = skin.relit(spaces.to_lab(face.numpy()), graded[:, 0])
        return float(np.median(colour.delta_E(graded, same, method="CIE 2000")))

    assert shift(tone.protected_lut()) < present(tone.skin_limit) < shift(tone.lut)


def test_an_artists_file_is_found_checked_and_wins(tmp_path):
    (tmp_path / "sepia.json").write_text(json.dumps({"words": "my own", "lut": {"saturation": 0.5}}), "utf-8")
    (tmp_path / "mine.toml").write_text('words = "tide"\n[lut]\nexposure = 0.5\n', "utf-8")
    write_cube(tmp_path / "export.cube", tones.identity(3))
    (tmp_path / "named.toml").write_text('lut = "export.cube"\ncfg = 5\n', "utf-8")
    folders = (tones.FOLDER, tmp_path)
    assert {"sepia", "mine", "export", "named"} <= set(tones.names(folders))
    assert tones.load("sepia", folders).words == "my own"
    assert tones.load("mine", folders).lut.mean() > tones.identity().mean()
    assert np.allclose(tones.load("export", folders).lut, tones.identity(3))
    assert tones.load("named", folders).cfg == 5.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("words = ", "cannot be read"),
        ("wrds = 'a'", "'words'"),
        ("words = 3", "'words' must be text"),
        ("denoise = 1.5", "'denoise' is 1.5"),
        ("cfg = 'a'", "'cfg'"),
        ("skin_limit = 0", "'skin_limit'"),
        ("title = 'a'", "'title'"),
        ("lut = 'absent.cube'", "LUT file .absent.cube. cannot be read"),
        ("lut = '../other.cube'", "own folder"),
        ("lut = 'a.png'", "own folder"),
        ("[lut]\nfile = 'a.cube'\nexposure = 1", "nothing else"),
        ("[lut]\nexposur = 1", "'exposure'"),
    ],
)
def test_a_preset_with_a_mistake_is_refused_with_its_file_and_the_mistake(tmp_path, text, says):
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    with pytest.raises(PortraitError, match=f"mine.toml.*{says}"):
        tones.load("mine", (tmp_path,))


def test_an_unknown_tone_is_answered_with_the_nearest_names():
    with pytest.raises(PortraitError, match="'warm-film'"):
        tones.load("warm_film")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_help_page_names_every_preset(language):
    page = (Path(__file__).parents[2] / "web" / "docs" / "PortraitToneFilter" / f"{language}.md").read_text("utf-8")
    listed = page.split("\n## ")[1]
    assert re.findall(r"`([a-z-]+)`", listed) == tones.names()
    for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        tones.Grade.read(parse_toml(block)["lut"])


def test_full_green_never_takes_from_no_green_beside_it_in_memory():
    lut = np.zeros((65, 65, 65, 3), np.float32)
    lut[:, 0] = 1.0
    red, blue = np.meshgrid(np.linspace(0, 1, 97), np.linspace(0, 1, 31))
    points = torch.from_numpy(np.stack((red, np.ones_like(red), blue), axis=-1)).float()
    assert tones.apply(points, lut).abs().max() < 2e-5


def test_more_saturation_than_fits_keeps_luma():
    strong = np.array([(0.9, 0.5, 0.1), (0.1, 0.3, 0.8)])
    graded = tones.Grade(saturation=2.0).apply(strong)
    assert np.allclose(graded @ spaces.LUMA, strong @ spaces.LUMA)
    assert graded.min() >= -1e-9 and graded.max() <= 1 + 1e-9


@pytest.mark.parametrize("hue", [0, 40, 120, 220, 300])
def test_split_toning_colours_greys_and_keeps_their_luma(hue):
    greys = np.linspace(0.05, 0.9, 18)[:, None].repeat(3, axis=1)
    grade = Grade(shadow_hue=hue, shadow_amount=0.08, highlight_hue=hue, highlight_amount=0.05)
    toned = grade.apply(greys)
    assert np.ptp(toned, axis=-1).max() > 0.02
    assert np.abs(toned @ spaces.LUMA - greys @ spaces.LUMA).max() < 1e-6
