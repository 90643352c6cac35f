"""PortraitIdentityGuard on the real host."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.host


def photos(folder: str) -> dict:
    return {"class_type": "PortraitLoadPhotos", "inputs": {"folder": folder, "files": "", "max_photos": 1}}


def graph(after: dict, allowed_loss: float = 0.05, known: bool = True) -> dict:
    inputs = {"before": ["photo", 0], "after": ["after", 0], "allowed_loss": allowed_loss}
    return {
        "photo": photos("examples/nora"),
        "after": after,
        "guard": {
            "class_type": "PortraitIdentityGuard",
            "inputs": inputs | ({"references": ["photo", 0]} if known else {}),
        },
        "said": {"class_type": "PreviewAny", "inputs": {"source": ["guard", 2]}},
        **{
            name: {"class_type": "SaveImage", "inputs": {"images": [node, 0], "filename_prefix": name}}
            for name, node in {"was": "photo", "now": "after", "kept": "guard"}.items()
        },
    }


def blurred(sigma: float) -> dict:
    return {"class_type": "ImageBlur", "inputs": {"image": ["photo", 0], "blur_radius": 31, "sigma": sigma}}


def test_a_harmless_stage_passes(run_graph):
    run = run_graph(
        graph({"class_type": "ImageInvert", "inputs": {"image": ["inverted", 0]}}, 0.02)
        | {"inverted": {"class_type": "ImageInvert", "inputs": {"image": ["photo", 0]}}}
    )
    assert np.array_equal(run.picture("kept"), run.picture("now"))
    (one,) = run.said("guard")["pictures"]
    assert one["choice"] == "after"
    assert run.said("guard")["warnings"] == []
    assert run.text("said").startswith("The stage kept the person")


def test_a_stage_that_loses_the_person_is_held_back_and_the_node_warns(run_graph):
    run = run_graph(graph(blurred(10.0), 0.02))
    (one,) = run.said("guard")["pictures"]
    assert one["choice"] in ("blend", "before")
    assert run.said("guard")["warnings"] == [run.text("said")]
    if one["likeness"] is not None:
        assert one["likeness"] >= one["before"] - 0.02


def test_with_nobody_to_compare_with_the_stage_passes_with_a_warning(run_graph):
    run = run_graph(graph(blurred(10.0), known=False))
    assert np.array_equal(run.picture("kept"), run.picture("now"))
    assert run.said("guard")["warnings"] == [
        "No subject or reference photos are connected; the picture after the stage is kept unchecked."
    ]


def test_another_picture_than_before_is_refused(run_graph, post):
    wall = {"class_type": "EmptyImage", "inputs": {"width": 200, "height": 600, "batch_size": 1, "color": 0}}
    run = run_graph(graph(wall))
    assert "they differ in shape" in run.error
    assert "node_errors" in post(graph(blurred(1.0), allowed_loss=-0.1))
    assert post(graph(blurred(1.0), allowed_loss=-0.1))["node_errors"]
