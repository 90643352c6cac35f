from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from portrait_studio.pocket.train import export
from portrait_studio.pocket.train.adversary import Adversary
from portrait_studio.pocket.train.data import WINDOW, FaceWindows, People
from portrait_studio.pocket.train.recognition import Recognition, aligned, difference
from portrait_studio.portrait import alignment, faces, identity

from ..present import present


@pytest.fixture(scope="module")
def recognition() -> Recognition:
    return Recognition().eval()


@pytest.fixture(scope="module")
def photo() -> tuple[np.ndarray, faces.Face]:
    picture = astronaut()
    return picture, faces.detect(picture)[0]


def _tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def test_training_sees_the_embedding_that_likeness_is_measured_by(recognition, photo):
    picture, face = photo
    with torch.no_grad():
        _, direction = recognition(_tensor(identity.align(picture, face)))
    assert float(direction[0].numpy() @ identity.embed(picture, face)) > 0.9999


def test_eyes_and_nose_land_on_the_template():
    points = torch.tensor([[[80.0, 90.0], [120.0, 84.0], [103.0, 110.0]]])
    picture = torch.zeros(1, 3, 200, 200)
    for i, (x, y) in enumerate(points[0].int().tolist()):
        picture[0, i, y - 2 : y + 3, x - 2 : x + 3] = 1
    face = aligned(picture, points)[0]
    for channel, wanted in zip(face, alignment.TEMPLATE[:3], strict=True):
        y, x = np.unravel_index(int(channel.argmax()), channel.shape)
        # The three points are no exact similarity of the template: a few pixels remain.
        assert np.hypot(x - wanted[0], y - wanted[1]) < 8


def test_the_difference_of_a_face_from_itself_is_nothing_and_falls_along_its_gradient(recognition, photo):
    picture, face = photo
    right, seen = _tensor(identity.align(picture, face)), torch.tensor([True])
    same, cosine = difference(recognition, right, right, seen)
    assert same.item() == pytest.approx(0, abs=1e-5)
    assert cosine.item() == pytest.approx(1, abs=1e-5)
    blurred = torch.nn.functional.avg_pool2d(right, 7, 1, 3).requires_grad_(True)
    before, _ = difference(recognition, blurred, right, seen)
    before.backward()
    slope = present(blurred.grad)
    step = slope / slope.norm()
    after, _ = difference(recognition, blurred.detach() - 0.5 * step, right, seen)
    assert after < before


def test_a_face_that_is_not_seen_changes_neither_the_difference_nor_its_gradient(recognition, photo):
    picture, face = photo
    right = _tensor(identity.align(picture, face))
    blurred = torch.nn.functional.avg_pool2d(right, 7, 1, 3)
    alone = blurred.clone().requires_grad_(True)
    wanted, _ = difference(recognition, alone, right, torch.tensor([True]))
    wanted.backward()
    both = torch.cat([torch.rand_like(right), blurred]).requires_grad_(True)
    apart, _ = difference(recognition, both, right.expand(2, -1, -1, -1), torch.tensor([False, True]))
    apart.backward()
    assert apart.item() == pytest.approx(wanted.item(), rel=1e-5)
    first, second = present(both.grad).unbind()
    by_itself = present(alone.grad)
    assert first.abs().max() == 0
    # Convolutions of two pictures add up in another order than those of one.
    assert (second - by_itself[0]).abs().max() < 1e-3 * by_itself.abs().max()


def test_windows_hold_the_face_and_say_where_it_is():
    torch.manual_seed(0)
    count = 200
    images = torch.zeros(count, 3, 256, 256, dtype=torch.uint8)
    points = torch.zeros(count, 60, 3)
    boxes = torch.zeros(count, 4)
    for i in range(count):
        x, y = torch.randint(40, 216, (2,)).tolist()
        boxes[i] = torch.tensor([x - 30, y - 30, x + 30, y + 30])
        for colour, (k, across) in enumerate(((14, -12), (15, 12), (0, 0))):
            points[i, k] = torch.tensor([x + across + 0.5, y + 0.5, 1.0])
            images[i, colour, y, x + across] = 255
    people = People(images, points, boxes, images[:, 0, :32, :32], torch.arange(count), boxes[:, :2], [""] * count)
    windows, places, whole = FaceWindows(people, torch.device("cpu")).windows(images, torch.arange(count))
    assert windows.shape == (count, 3, WINDOW, WINDOW)
    assert whole.float().mean() > 0.7
    mirrored = 0
    for window, three in zip(windows[whole], places[whole], strict=True):
        x, y = three[2].int().tolist()
        assert window[2, y, x] == 255
        eyes = [window[:, int(p[1]), int(p[0])].tolist() for p in three[:2]]
        straight, turned = [[255, 0, 0], [0, 255, 0]], [[0, 255, 0], [255, 0, 0]]
        assert eyes in (straight, turned)
        assert three[0, 0] < three[1, 0], "the first eye is the one on the left of the picture, mirrored or not"
        mirrored += eyes == turned
    assert 0.3 < mirrored / int(whole.sum()) < 0.7


def test_storing_the_autoencoder_again_keeps_the_scale_of_its_latents(tmp_path):
    export.scale(tmp_path, 0.25, 1.5)
    export.vae(tmp_path, {"taesd_encoder.0.bias": torch.zeros(4)})
    mean, deviation = present(export.stored_scale(tmp_path))
    assert mean == pytest.approx(0.25, rel=1e-2)
    assert deviation == pytest.approx(1.5, rel=1e-2)


def test_a_discriminator_learns_what_a_blurred_picture_lacks_and_pulls_it_there(photo):
    torch.manual_seed(0)
    picture = _tensor(photo[0])[..., :480, :480]
    real = picture.unfold(2, 96, 96).unfold(3, 96, 96).flatten(2, 3)[0].transpose(0, 1)
    blurred = torch.nn.functional.avg_pool2d(real, 5, 1, 2, count_include_pad=False)
    adversary = Adversary(torch.device("cpu"), rate=1e-3)
    losses = [adversary.learn(blurred, real) for _ in range(40)]
    assert losses[0] == pytest.approx(2, abs=0.3), "at first it cannot tell"
    assert np.mean(losses[-5:]) < 1
    pull = adversary.pull(blurred)
    with torch.no_grad():
        before = adversary(blurred).mean()
        after = adversary(blurred - 2 * pull / pull.norm()).mean()
    assert after > before
    assert all(p.requires_grad for p in adversary.parameters())
