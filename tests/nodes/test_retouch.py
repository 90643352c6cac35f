"""PortraitRetouch on the real host."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.host

NORA = {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "examples/nora", "files": "", "max_photos": 1}}
WALL = {"class_type": "EmptyImage", "inputs": {"width": 200, "height": 160, "batch_size": 1, "color": 0x8090A0}}


def graph(source: dict, strength: float) -> dict:
    return {
        "photo": source,
        "retouch": {
            "class_type": "PortraitRetouch",
            "inputs": {"image": ["photo", 0], "strength": strength, "evenness": 0.5},
        },
        "mask": {"class_type": "MaskToImage", "inputs": {"mask": ["retouch", 1]}},
        **{
            name: {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": name}}
            for name, images in {"before": ["photo", 0], "after": ["retouch", 0], "skin": ["mask", 0]}.items()
        },
    }


def test_the_skin_changes_and_the_node_says_how_much_of_the_likeness_was_kept(run_graph):
    run = run_graph(graph(NORA, 1.0))
    before, after, skin = (run.picture(name).astype(int) for name in ("before", "after", "skin"))
    assert np.abs(after - before)[skin > 127].any()
    assert np.abs(after - before)[skin == 0].max() <= 1  # a mask of 8 bits shows a 256th of skin as none
    said = run.said("retouch")
    assert said["faces"] == 1
    assert 0.95 <= said["kept"] < 1
    assert said["warnings"] == []
    assert run.text("retouch").endswith(f"likeness to before {said['kept']:.3f}")


def test_strength_nothing_changes_nothing_and_a_wall_has_no_face(run_graph):
    run = run_graph(graph(NORA, 0.0))
    assert np.array_equal(run.picture("before"), run.picture("after"))
    wall = run_graph(graph(WALL, 1.0))
    assert np.array_equal(wall.picture("before"), wall.picture("after"))
    assert wall.said("retouch")["warnings"] == ["No face was found in picture 1; it passes through unchanged."]
    assert wall.said("retouch")["kept"] is None
