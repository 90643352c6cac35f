"""Pictures of the class: made once, kept, and made again when what they depend on has changed."""

from __future__ import annotations

import numpy as np
import pytest

from portrait_studio.trainer import class_images
from portrait_studio.trainer.settings import TrainSettings

SETTINGS = TrainSettings(class_images=3, sample_steps=4)


class Painter:
    """Draws a grey picture of every seed, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, texts, seeds):
        self.asked += zip(texts, seeds, strict=True)
        return [np.full((16, 24, 3), seed % 251, np.uint8) for seed in seeds]


@pytest.fixture
def painter() -> Painter:
    return Painter()


def made(folder, painter, settings=SETTINGS, word="woman", model="a", size=(24, 16), say=lambda text: None):
    return class_images.made(folder, word, {"fingerprint": model}, size, settings, painter, say)


def test_every_picture_has_a_seed_and_a_caption_of_the_class_alone(tmp_path, painter):
    said = []
    pictures = made(tmp_path / "class", painter, say=said.append)
    assert [picture[0, 0, 0] for picture, _ in pictures] == [seed % 251 for _, seed in painter.asked]
    assert len({seed for _, seed in painter.asked}) == 3
    assert all(text.startswith("portrait photo of woman, ") for _, text in pictures)
    assert said == ["drawing 3 pictures of the class"]


def test_they_are_kept_and_read_back_exactly(tmp_path, painter):
    first = made(tmp_path / "class", painter)
    again = made(tmp_path / "class", painter)
    assert len(painter.asked) == 3
    assert [text for _, text in again] == [text for _, text in first]
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))


@pytest.mark.parametrize(
    "change",
    [{"word": "man"}, {"model": "b"}, {"size": (16, 24)}, {"settings": TrainSettings(class_images=3, sample_steps=5)}],
)
def test_another_class_model_size_or_sampling_makes_them_again(tmp_path, painter, change):
    made(tmp_path / "class", painter)
    made(tmp_path / "class", painter, **change)
    assert len(painter.asked) == 6


def test_fewer_are_made_again_and_no_old_picture_stays(tmp_path, painter):
    made(tmp_path / "class", painter)
    assert len(made(tmp_path / "class", painter, TrainSettings(class_images=2, sample_steps=4))) == 2
    assert len(list((tmp_path / "class").glob("*.png"))) == 2


@pytest.mark.parametrize("damage", ["class.json", "class-001.png"])
def test_a_damaged_file_makes_them_again(tmp_path, painter, damage):
    made(tmp_path / "class", painter)
    (tmp_path / "class" / damage).write_bytes(b"{")
    assert len(made(tmp_path / "class", painter)) == 3
    assert len(painter.asked) == 6


@pytest.mark.parametrize("none", [{"class_images": 0}, {"prior_weight": 0.0}, {"prior_share": 0.0}])
def test_none_are_made_where_nothing_would_use_them(tmp_path, painter, none):
    assert made(tmp_path / "class", painter, TrainSettings(**none)) == []
    assert not painter.asked
    assert not (tmp_path / "class").exists()
