"""A retouch takes blemishes away, keeps what is the person's own, and touches nothing but skin."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_studio.portrait import faces, identity
from portrait_studio.portrait.face import Face
from portrait_studio.portrait.kept import measured
from portrait_studio.portrait.retouch import Retouched, RetouchError, pigments, retouch
from portrait_studio.portrait.tensors import to_uint8

from .blemished import SKINS, Spot, blemished, contrast, gradient_energy, off
from .scenes import astronaut, group, image, nobody

EVERYBODY = (*SKINS.values(), "astronaut")


@functools.cache
def retouched(who: str) -> Retouched:
    made = blemished(who)
    return retouch(image(made.picture), [[made.face]], strength=1.0, evenness=0.5)


def after(who: str) -> np.ndarray:
    return to_uint8(retouched(who).images[0])


@pytest.mark.parametrize("who", EVERYBODY)
def test_painted_blemishes_lose_most_of_their_contrast(who):
    made = blemished(who)
    before = [contrast(made.picture, spot) for spot in made.blemishes]
    left = [contrast(after(who), spot) for spot in made.blemishes]
    assert min(before) > 5
    assert sum(left) <= 0.4 * sum(before)
    assert retouched(who).faces[0].blemishes >= len(made.blemishes) - 1


@pytest.mark.parametrize("who", EVERYBODY)
def test_moles_stay(who):
    made = blemished(who)
    for spot in made.moles:
        assert contrast(after(who), spot) >= 0.9 * contrast(made.picture, spot)


@pytest.mark.parametrize("who", EVERYBODY)
def test_off_the_blemishes_the_skin_keeps_its_texture(who):
    made, skin = blemished(who), retouched(who).skin[0].numpy()
    rest = off(skin, made.blemishes)
    assert rest.sum() > 0.2 * made.face.area
    assert gradient_energy(after(who), rest) >= 0.9 * gradient_energy(made.picture, rest)


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_person_stays_the_same_person(who):
    made = blemished(who)
    report = measured(image(made.picture), retouched(who).images, retouched(who).faces)
    assert min(report.kept) >= 0.95
    assert report.before is None


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_healed_face_is_nearer_to_the_one_that_never_had_blemishes(who):
    made = blemished(who)
    spots = 1 - off(np.ones(made.picture.shape[:2]), made.blemishes)
    before = np.abs(made.picture.astype(float) - made.clean).mean(-1)
    left = np.abs(after(who).astype(float) - made.clean).mean(-1)
    assert (left * spots).sum() <= 0.6 * (before * spots).sum()


def test_freckles_are_no_blemishes():
    """A third of the light gone, more of it blue: melanin."""
    made = blemished("leila")
    freckled = made.clean / 255
    down, across = np.mgrid[: freckled.shape[0], : freckled.shape[1]] + 0.5
    for spot in made.blemishes:
        inside = np.hypot(across - spot.x, down - spot.y) < 3
        freckled[inside] *= (0.8, 0.68, 0.55)
    picture = (freckled * 255 + 0.5).astype(np.uint8)
    kept = to_uint8(retouch(image(picture), [[made.face]], 1.0, 0.0).images[0])
    for spot in made.blemishes:
        freckle = Spot(spot.x, spot.y, 3)
        assert contrast(picture, freckle) > 5
        assert contrast(kept, freckle) >= 0.95 * contrast(picture, freckle)


def test_strength_nothing_is_the_same_tensor():
    picture = image(astronaut())
    found = [faces.detect(astronaut())]
    assert retouch(picture, found, 0.0, 1.0).images is picture


def test_less_strength_leaves_more_of_a_blemish():
    made = blemished("leila")
    left = [
        sum(
            contrast(to_uint8(retouch(image(made.picture), [[made.face]], strength, 0.0).images[0]), spot)
            for spot in made.blemishes
        )
        for strength in (0.3, 0.7)
    ]
    whole = sum(contrast(made.picture, spot) for spot in made.blemishes)
    assert whole > left[0] > left[1] > 0


def test_evenness_flattens_a_faint_blotch():
    made = blemished("leila")
    (x, y), unit = made.face.landmarks[2], made.face.box[2]
    down, across = np.mgrid[: made.clean.shape[0], : made.clean.shape[1]] + 0.5
    cheek = np.exp(-((across - x - 0.22 * unit) ** 2 + (down - y) ** 2) / (2 * (0.05 * unit) ** 2))[..., None]
    blotched = made.clean / 255 * (1 - cheek * np.array((0.0, 0.03, 0.03)))
    picture = torch.from_numpy(blotched.astype(np.float32))[None]
    where = cheek[..., 0] > 0.5
    left = []
    for evenness in (0.0, 1.0):
        blotchy, clean = (retouch(each, [[made.face]], 1.0, evenness).images for each in (picture, image(made.clean)))
        left.append(float((blotchy - clean).abs()[0, ..., 1][where].mean()))
    assert left[1] < 0.8 * left[0]


def test_everything_outside_the_skin_keeps_its_bits():
    made, done = blemished("leila"), retouched("leila")
    outside = done.skin[0] == 0
    assert torch.equal(done.images[0][outside], image(made.picture)[0][outside])
    assert float(done.skin.max()) == 1.0
    for x, y in (*made.face.landmarks[:2], made.face.landmarks[3]):
        assert done.skin[0, int(y), int(x)] == 0


def test_the_input_is_not_written_into_and_further_channels_stay():
    made = blemished("leila")
    four = torch.cat((image(made.picture), torch.rand(1, *made.picture.shape[:2], 1)), -1)
    kept = four.clone()
    done = retouch(four, [[made.face]], 1.0, 0.5)
    assert torch.equal(four, kept)
    assert torch.equal(done.images[..., 3], four[..., 3])
    assert torch.equal(done.images[..., :3], retouched("leila").images)


def test_ten_faces_are_each_retouched_and_none_is_no_crash():
    picture = group(2, 5)
    found = faces.detect(picture)
    assert len(found) == 10
    done = retouch(image(picture), [found], 1.0, 0.5)
    assert [one.frame for one in done.faces] == [0] * 10
    empty = retouch(image(nobody()), [[]], 1.0, 0.5)
    assert torch.equal(empty.images, image(nobody()))
    assert empty.faces == []
    assert measured(image(nobody()), empty.images, empty.faces, np.ones(128), identity.embedder()).kept == ()


def test_likeness_to_a_person_is_measured_before_and_after():
    made = blemished("marcus")
    person = identity.embed(made.clean, made.face)
    done = retouched("marcus")
    report = measured(image(made.picture), done.images, done.faces, person, identity.embedder())
    assert report.before is not None
    assert report.after is not None
    assert report.after > report.before > 0.9


def test_a_strength_or_evenness_out_of_range_is_refused():
    picture = image(nobody())
    for wrong in ((-0.1, 0.5), (1.1, 0.5), (float("nan"), 0.5), (0.5, 2.0)):
        with pytest.raises(RetouchError, match="must be from 0 to 1"):
            retouch(picture, [[]], *wrong)
    with pytest.raises(RetouchError, match="1 pictures came with the faces of 2"):
        retouch(picture, [[], []])


@settings(max_examples=25)
@given(
    st.integers(-60, 160),
    st.integers(-60, 160),
    st.integers(8, 150),
    st.floats(-180, 180),
    st.sampled_from((0.0, 1.0, 7.0, float("nan"))),
)
def test_a_face_anywhere_and_pixels_of_any_value_give_a_picture(x, y, side, roll, value):
    """Partly outside, tiny, upside down, black, white, too bright or not a number: no crash, finite, in range."""
    angle = np.radians(roll)
    spots = np.array([(-0.2, -0.1), (0.2, -0.1), (0, 0.1), (-0.15, 0.25), (0.15, 0.25)]) * side
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    face = Face((x, y, side, side), tuple(map(tuple, spots @ turn + (x + side / 2, y + side / 2))), 0.9)
    picture = torch.full((1, 100, 120, 3), value)
    picture[0, ::7, ::5] = 0.4
    done = retouch(picture, [[face]], 1.0, 1.0)
    inside = done.skin[0] > 0
    assert torch.isfinite(done.images[0][inside]).all()
    assert torch.equal(done.images[0][~inside].nan_to_num(), picture[0][~inside].nan_to_num())


def test_pigments_are_told_apart_on_any_skin():
    skins = torch.tensor([(0.93, 0.78, 0.7), (0.7, 0.5, 0.38), (0.3, 0.2, 0.15)])
    optical = pigments.density(skins)
    assert torch.allclose(pigments.encoded(optical), skins, atol=1e-5)
    redder = optical + 0.3 * torch.tensor(pigments.BLOOD)
    change = pigments.separated(redder) - pigments.separated(optical)
    assert torch.allclose(change, torch.tensor([0.0, 0.3, 0.0]).expand(3, 3), atol=1e-4)
    assert torch.allclose(pigments.combined(pigments.separated(optical)), optical, atol=1e-4)
