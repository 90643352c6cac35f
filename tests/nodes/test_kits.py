"""PortraitKit and PortraitOpenKit on the real host."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.host


def photos(folder: str, most: int = 1) -> dict:
    return {"class_type": "PortraitLoadPhotos", "inputs": {"folder": folder, "files": "", "max_photos": most}}


def kit(**inputs) -> dict:
    return {"class_type": "PortraitKit", "inputs": inputs}


def opened(name: str) -> dict:
    return {"class_type": "PortraitOpenKit", "inputs": {"kit": [name, 0]}}


def saved(node: str, slot: int) -> dict:
    return {"class_type": "SaveImage", "inputs": {"images": [node, slot], "filename_prefix": "kit"}}


def text(value: str) -> dict:
    return {"class_type": "PrimitiveStringMultiline", "inputs": {"value": value}}


REFERENCES, WORDS, POSE = 5, 6, 12


def test_what_goes_into_a_kit_comes_out_of_it_and_a_list_of_photos_stays_one(run_graph):
    run = run_graph(
        {
            "photos": photos("examples/nora", 3),
            "words": text("portrait of n0ra"),
            "kit": kit(references=["photos", 0], words=["words", 0]),
            "open": opened("kit"),
            "said": {"class_type": "PreviewAny", "inputs": {"source": ["open", WORDS]}},
            "was": saved("photos", 0),
            "now": saved("open", REFERENCES),
        }
    )
    assert run.text("said") == "portrait of n0ra"
    assert len(run.outputs["now"]["images"]) == 3
    for index in range(3):
        assert np.array_equal(run.picture("was", index), run.picture("now", index))


def test_a_later_kit_takes_the_place_of_a_part_and_leaves_the_kit_before_as_it_was(run_graph):
    run = run_graph(
        {
            "one": text("one"),
            "two": text("two"),
            "photo": photos("examples/nora"),
            "kit": kit(words=["one", 0], pose=["photo", 0]),
            "later": kit(kit=["kit", 0], words=["two", 0]),
            "first": opened("kit"),
            "open": opened("later"),
            "again": {"class_type": "PortraitOpenKit", "inputs": {"kit": ["open", 0]}},
            "was": {"class_type": "PreviewAny", "inputs": {"source": ["first", WORDS]}},
            "is": {"class_type": "PreviewAny", "inputs": {"source": ["again", WORDS]}},
            "pose": saved("again", POSE),
        }
    )
    assert (run.text("was"), run.text("is")) == ("one", "two")
    assert run.outputs["pose"]["images"]


def test_what_a_kit_does_not_hold_keeps_the_node_that_needs_it_from_running(run_graph):
    """The host sends the sentence to the canvas alone, and counts the rest of the graph as done."""
    run = run_graph(
        {"words": text("one"), "kit": kit(words=["words", 0]), "open": opened("kit"), "pose": saved("open", POSE)}
    )
    assert "pose" not in run.outputs


def test_without_subject_or_references_likeness_is_not_measured_and_nothing_stops(run_graph):
    run = run_graph(
        {
            "photo": photos("examples/nora"),
            "words": text("one"),
            "kit": kit(words=["words", 0]),
            "open": opened("kit"),
            "score": {
                "class_type": "PortraitIdentityScore",
                "inputs": {"images": ["photo", 0], "stage": "", "subject": ["open", 4], "references": ["open", 5]},
            },
        }
    )
    assert run.said("score")["likeness"] is None


def test_a_list_where_a_kit_holds_one_thing_is_refused(run_graph):
    run = run_graph(
        {"photos": photos("examples/nora", 2), "kit": kit(pose=["photos", 0]), "open": opened("kit")}
        | {"pose": saved("open", POSE)}
    )
    assert run.status == "error"
    assert "2 of 'pose' came to the kit, and it holds one" in run.error
