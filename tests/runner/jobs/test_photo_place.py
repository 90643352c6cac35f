"""Where a graph takes photos, and the photos put there."""

from __future__ import annotations

import pytest

from portrait_studio.runner.client import PromptError
from portrait_studio.runner.jobs.photo_place import with_photos

PHOTOS = {"3": {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "examples/nora", "files": "old.jpg"}}}
IMAGE = {"4": {"class_type": "LoadImage", "inputs": {"image": "old.png"}}}


@pytest.mark.parametrize("place", [("3", "files"), None], ids=["declared", "found"])
def test_photos_given_take_the_place_of_those_that_the_graph_names(place):
    made = with_photos(PHOTOS | IMAGE, ["a.jpg", "b.jpg"], place)
    assert made["3"]["inputs"] == {"folder": "", "files": "a.jpg\nb.jpg"}
    assert made["4"] == IMAGE["4"]


def test_without_photos_a_prompt_stays_as_it_is():
    assert with_photos(PHOTOS, [], ("3", "files")) == PHOTOS


def test_a_graph_that_loads_one_picture_takes_one_photo():
    assert with_photos(IMAGE, ["a.jpg"], None)["4"]["inputs"]["image"] == "a.jpg"
    with pytest.raises(PromptError, match="takes one photo, and 2 were given"):
        with_photos(IMAGE, ["a.jpg", "b.jpg"], None)


@pytest.mark.parametrize("prompt", [{}, {"1": PHOTOS["3"], "2": PHOTOS["3"]}], ids=["none", "two"])
def test_a_graph_that_does_not_say_where_photos_go_is_refused(prompt):
    with pytest.raises(PromptError, match="does not say where photos go"):
        with_photos(prompt, ["a.jpg"], None)


def test_a_place_that_is_muted_is_refused():
    with pytest.raises(PromptError, match="muted, bypassed or unused"):
        with_photos(IMAGE, ["a.jpg"], ("3", "files"))
