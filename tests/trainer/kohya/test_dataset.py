from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from portrait_studio.portrait.disk import read_toml
from portrait_studio.trainer.examples import Example, TrainingSet
from portrait_studio.trainer.kohya import dataset, prompts
from portrait_studio.trainer.kohya.errors import KohyaError
from portrait_studio.trainer.settings import TrainSettings

CLASS = [(np.full((64, 64, 3), 90, np.uint8), "photo of a woman")] * 3


def first_line(path) -> str:
    """Read a caption as sd-scripts does (library/train_util.py, read_caption)."""
    with path.open("rt", encoding="utf-8") as file:
        return file.readlines()[0].strip()


def test_the_configuration_is_toml_that_says_what_was_set(training_set, settings, tmp_path):
    settings = settings.with_changes({"steps": 100, "batch": 3, "prior_share": 0.25})
    written = dataset.write(training_set, settings, tmp_path, CLASS)
    config = read_toml(written.config)
    assert config == dataset.configuration(settings, written.repeats, written.class_repeats)
    [group] = config["datasets"]
    person, prior = group["subsets"]
    assert (group["resolution"], group["batch_size"]) == (128, 3)
    assert person == {"image_dir": "train", "num_repeats": 57, "caption_dropout_rate": 0.05, "alpha_mask": True}
    assert (prior["image_dir"], prior["num_repeats"]) == ("class", 25)
    assert config["general"]["caption_extension"] == ".txt"


@given(st.integers(1, 2000), st.integers(1, 16), st.floats(0.05, 0.9), st.integers(1, 40), st.integers(0, 200))
def test_an_epoch_holds_the_training_and_the_share_of_class_pictures(steps, batch, share, pictures, class_pictures):
    settings = TrainSettings(steps=steps, batch=batch, prior_share=share)
    repeats, class_repeats = dataset.shares(settings, pictures, class_pictures)
    of_class = class_pictures * class_repeats
    assert repeats * pictures + of_class >= steps * batch * (0.97 if class_pictures else 1)
    if class_pictures:
        assert of_class / (repeats * pictures + of_class) == pytest.approx(share, abs=0.025)


@given(st.integers(64, 2048))
def test_buckets_hold_the_resolution_and_are_whole(resolution):
    [group] = dataset.configuration(TrainSettings(resolution=resolution), 1)["datasets"]
    assert group["min_bucket_reso"] <= group["resolution"] <= group["max_bucket_reso"]
    assert group["min_bucket_reso"] % 64 == group["max_bucket_reso"] % 64 == 0


def alpha(path) -> np.ndarray:
    return np.asarray(Image.open(path))[..., 3] / 255


def test_pictures_keep_their_colours_and_weigh_as_they_do_natively(training_set, settings, tmp_path):
    torch = pytest.importorskip("torch")
    from portrait_studio.trainer import objective

    small = replace(training_set.examples[0], mask=training_set.examples[0].mask * 0.2)
    training_set = replace(training_set, examples=(*training_set.examples[:3], small))
    settings = settings.with_changes({"mask_weight": 3.0, "prior_weight": 0.7})
    dataset.write(training_set, settings, tmp_path, CLASS)
    native = []
    for number, example in enumerate(training_set.examples, 1):
        path = tmp_path / "train" / f"{number:04d}.png"
        assert np.array_equal(np.asarray(Image.open(path))[..., :3], example.image)
        native.append(objective.face_weights(torch.from_numpy(example.mask)[None, None], 3.0)[0, 0].numpy())
    written = [alpha(tmp_path / "train" / f"{number:04d}.png") for number in range(1, 5)]
    scale = max(weights.max() for weights in native)
    for ours, theirs in zip(written, native, strict=True):
        assert ours == pytest.approx(theirs / scale, abs=0.003)
    assert alpha(tmp_path / "class" / "0001.png") == pytest.approx(0.7 / scale, abs=0.003)


def test_a_prior_weight_above_everything_else_still_fits_into_alpha(training_set, settings, tmp_path):
    settings = settings.with_changes({"mask_weight": 0.0, "prior_weight": 4.0})
    dataset.write(training_set, settings, tmp_path, CLASS)
    assert alpha(tmp_path / "train" / "0001.png") == pytest.approx(0.25, abs=0.003)
    assert alpha(tmp_path / "class" / "0001.png").min() == 1


def test_class_pictures_without_a_prior_weight_are_left_out(training_set, settings, tmp_path):
    written = dataset.write(training_set, settings.with_changes({"prior_weight": 0.0}), tmp_path, CLASS)
    assert written.class_pictures == 0
    assert not (tmp_path / "class").exists()


def test_no_name_of_a_photo_reaches_the_disk(training_set, settings, tmp_path):
    dataset.write(training_set, settings, tmp_path, CLASS)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4 * 2 + 3 * 2 + 1
    for path in files:
        assert "Rome" not in path.name
        assert b"Rome" not in path.read_bytes()


@given(caption=st.text(), trigger=st.text(), class_word=st.text())
def test_every_caption_is_one_line_that_sd_scripts_reads_back(tmp_path_factory, caption, trigger, class_word):
    folder = tmp_path_factory.mktemp("captions")
    pixels = np.zeros((8, 8, 3), np.uint8)
    example = Example(pixels, np.ones((8, 8), np.float32), caption, "a", "b")
    few = TrainSettings(steps=1, batch=1)
    dataset.write(TrainingSet((example,), (), (), trigger, class_word), few, folder, CLASS[:1])
    read = first_line(folder / "train" / "0001.txt")
    assert read
    wanted = [word for word in caption.replace("\0", " ").split() if word.isascii()]
    assert [word for word in read.split() if word.isascii()][: len(wanted)] == wanted
    assert first_line(folder / "class" / "0001.txt")


def test_nothing_to_train_on_is_refused(training_set, settings, tmp_path):
    with pytest.raises(KohyaError, match="no picture to train on"):
        dataset.write(replace(training_set, examples=()), settings, tmp_path)


def test_prompts_keep_what_looks_like_an_option_and_lose_large_seeds(settings, tmp_path):
    import json

    path = prompts.write([prompts.SamplePrompt('a "hat" --w 9999 / 사람', "ugly", 2**40 + 5)], settings, tmp_path)
    [row] = json.loads(path.read_text("utf-8"))
    assert row["prompt"] == 'a "hat" --w 9999 / 사람'
    assert (row["width"], row["height"], row["seed"], row["sample_steps"]) == (128, 128, 5, 1)
