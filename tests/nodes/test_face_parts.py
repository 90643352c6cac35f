"""PortraitFaceParts and PortraitFacePose on the real host."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.host


def graph(source: dict) -> dict:
    """Masks and head of the faces of a source of one picture."""
    crop = {"ratio": 2.2, "size": 128, "level": False, "choose": "largest", "max_faces": 1, "min_score": 0.6}
    drawn = {name: [name, 0] for name in ("ring", "lips")}
    return {
        "photo": source,
        "crop": {"class_type": "PortraitFaceCrop", "inputs": {"image": ["photo", 0], "padding": "edge", **crop}},
        "parts": {
            "class_type": "PortraitFaceParts",
            "inputs": {"info": ["crop", 2], "size": 128, "inner": 0.75, "outer": 1.3},
        },
        "ring": {"class_type": "MaskToImage", "inputs": {"mask": ["parts", 1]}},
        "lips": {"class_type": "MaskToImage", "inputs": {"mask": ["parts", 3]}},
        "pose": {"class_type": "PortraitFacePose", "inputs": {"image": ["photo", 0], "min_score": 0.6}},
        **{
            f"show {name}": {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": name}}
            for name, images in {**drawn, "pose": ["pose", 0]}.items()
        },
    }


def test_a_face_has_a_ring_lips_and_a_pose(run_graph):
    photo = {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "examples/nora", "files": "", "max_photos": 1}}
    run = run_graph(graph(photo))
    assert 0.1 < np.mean(run.picture("show ring") > 127) < 0.5
    assert 0.005 < np.mean(run.picture("show lips") > 127) < 0.05
    assert run.picture("show pose").any()
    assert run.said("pose")["faces"] == 1


def test_a_template_without_a_face_gives_black_masks_and_says_so(run_graph):
    wall = {"class_type": "EmptyImage", "inputs": {"width": 200, "height": 160, "batch_size": 1, "color": 0x8090A0}}
    run = run_graph(graph(wall))
    assert not run.picture("show ring").any()
    assert not run.picture("show pose").any()
    assert run.said("pose")["warnings"] == ["No face was found in the picture; the pose map is black."]
    assert run.said("crop")["warnings"] == ["No face was found in the picture; it passes through unchanged."]
