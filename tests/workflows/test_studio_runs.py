"""The graphs for a photo of one's own, a template and a couple: through the runner on the pocket models."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_studio.portrait import faces, photos
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.demo.studio import example_photos
from portrait_studio.runner.jobs import build
from portrait_studio.runner.jobs import job as jobs
from portrait_studio.runner.jobs.job import Result

from .shelf import file_of

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]

RENDERS = {"same_person": "0.67"}  # the example people are renders, more alike than photographs of people
QUICK = RENDERS | {"steps": "4", "ring_steps": "2"}


@pytest.fixture
def run(host, tmp_path):
    """Run a graph by name with settings; its pictures are in tmp_path."""

    def run_graph(name: str, settings: dict[str, str], pictures: list[Path] | None = None) -> Result:
        with Client(host.url) as client:
            upload = (lambda: jobs.upload_photos(client, pictures)) if pictures else None
            job = build.job(client, file_of(name), settings, upload)
            return jobs.run(job, client, tmp_path)

    return run_graph


def pixels(folder: Path, result: Result, stage: int) -> np.ndarray:
    return photos.read(folder / str(result.stages[stage].file))


def grid(columns: int, rows: int, side: int) -> Image.Image:
    """Faces of the example people, some wide apart in one picture."""
    people = [Image.open(photo).convert("RGB") for name in ("leila", "nora") for photo in example_photos(name)[:1]]
    picture = Image.new("RGB", (columns * side, rows * side))
    for number in range(columns * rows):
        place = (number % columns * side, number // columns * side)
        picture.paste(people[number % len(people)].resize((side, side), Image.Resampling.LANCZOS), place)
    return picture


def test_a_photo_is_graded_at_its_own_size_and_restyled_at_the_checkpoints(run, tmp_path):
    photo = example_photos("nora")[0]
    result = run("restyle", {"steps": "4", "tone": "black-and-white"}, [photo])
    assert [stage.name for stage in result.stages] == ["graded", "restyled"]
    graded, restyled = pixels(tmp_path, result, 0), pixels(tmp_path, result, 1)
    assert graded.shape == photos.read(photo).shape
    assert 0.14e6 < restyled.shape[0] * restyled.shape[1] < 0.17e6
    # A black and white tone takes the colours away; the person stays.
    assert int(np.ptp(graded.astype(int), axis=2).max()) < 30
    assert result.stages[1].likeness > 0.5
    assert len(faces.detect(restyled)) == 1


def test_of_ten_faces_in_a_template_only_the_chosen_one_changes(run, tmp_path, host):
    (host.input / "ten").mkdir(exist_ok=True)
    grid(5, 2, 160).save(host.input / "ten" / "ten.png")
    template = photos.read(host.input / "ten" / "ten.png")
    found = faces.detect(template)
    assert len(found) == 10
    result = run("template", QUICK | {"template": "ten", "face": "leftmost"})
    chosen = min(found, key=lambda face: face.centre[0])
    column, row = int(chosen.centre[0] // 160), int(chosen.centre[1] // 160)
    for stage in range(2):
        changed = (pixels(tmp_path, result, stage) != template).any(-1)
        cell = changed[row * 160 : (row + 1) * 160, column * 160 : (column + 1) * 160]
        assert cell.sum() > 500
        assert changed.sum() == cell.sum()


def test_the_two_passes_of_a_template_keep_one_person_and_the_rest_of_the_photo(run, tmp_path):
    result = run("template", RENDERS | {"steps": "8", "ring_steps": "4"})
    template = photos.read(example_photos("leila")[0])
    first, second = pixels(tmp_path, result, 0), pixels(tmp_path, result, 1)
    assert template.shape == first.shape == second.shape
    (face,) = faces.detect(template)
    left, top, width, height = (round(value) for value in face.box)
    assert (first[top + height :, :80] == template[top + height :, :80]).all()
    middle = (slice(top, top + height), slice(left, left + width))
    assert np.abs(first[middle].astype(int) - template[middle]).mean() > 2
    # The second pass changes the border of the face; between the eyes and about the mouth it keeps every pixel.
    (now,) = faces.detect(first)
    for x, y in (now.landmarks[2], *now.landmarks[:2]):
        spot = (slice(round(y) - 1, round(y) + 2), slice(round(x) - 1, round(x) + 2))
        assert (second[spot] == first[spot]).all()
    assert (second != first).any()
    assert len(faces.detect(second)) == 1


def test_a_template_without_a_face_comes_out_as_it_is_with_one_sentence(run, tmp_path, host):
    (host.input / "wall").mkdir(exist_ok=True)
    Image.new("RGB", (320, 240), (128, 144, 160)).save(host.input / "wall" / "wall.png")
    result = run("template", QUICK | {"template": "wall"})
    assert (pixels(tmp_path, result, 1) == (128, 144, 160)).all()
    assert "No face was found in the picture; it passes through unchanged." in result.warnings


def test_a_couple_has_two_people_and_each_face_is_sampled_for_itself(run, tmp_path):
    result = run("couple", {"steps": "10", "detail_steps": "4"})
    assert [stage.name for stage in result.stages] == ["text-to-image", "left-face", "right-face"]
    pictures = [pixels(tmp_path, result, stage) for stage in range(3)]
    assert all(picture.shape == (256, 512, 3) for picture in pictures)
    couples = [sorted(faces.detect(picture), key=lambda face: face.centre[0]) for picture in pictures]
    for left, right in couples:
        assert left.centre[0] < 256 < right.centre[0]
    left, right = couples[-1]
    after_left, after_right = (
        np.flatnonzero((before != after).any((0, 2))) for before, after in itertools.pairwise(pictures)
    )
    assert after_left.max() < right.box[0]
    assert after_right.min() > left.box[0] + left.box[2]
    assert result.stages[1].likeness is not None
    # Two stages, two people: the likeness of one says nothing of the other.
    assert not [text for text in result.warnings if "loses the person" in text]
