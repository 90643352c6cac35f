"""PortraitRestoreFace on the real host, with a real network of random weights."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from ..portrait.restorers import restore_former

pytestmark = pytest.mark.host

NORA = {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "examples/nora", "files": "", "max_photos": 1}}
WALL = {"class_type": "EmptyImage", "inputs": {"width": 200, "height": 160, "batch_size": 1, "color": 0x8090A0}}


@pytest.fixture
def put(comfyui):
    """Put a file into the host's models/facerestore_models, and take it away afterwards: put(content) -> name."""
    folder = comfyui / "models" / "facerestore_models"
    there = folder.is_dir()
    folder.mkdir(exist_ok=True)
    made = []

    def place(content: bytes) -> str:
        made.append(folder / f"test-{uuid.uuid4().hex[:8]}.safetensors")
        made[-1].write_bytes(content)
        return made[-1].name

    yield place
    for file in made:
        file.unlink()
    if not there:
        folder.rmdir()


def graph(source: dict, network: str, blend: float = 1.0) -> dict:
    return {
        "photo": source,
        "restore": {
            "class_type": "PortraitRestoreFace",
            "inputs": {"image": ["photo", 0], "network": network, "blend": blend},
        },
        "mask": {"class_type": "MaskToImage", "inputs": {"mask": ["restore", 1]}},
        **{
            name: {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": name}}
            for name, images in {"before": ["photo", 0], "after": ["restore", 0], "shown": ["mask", 0]}.items()
        },
    }


def test_the_face_changes_the_rest_does_not_and_the_node_says_what_it_did(run_graph, put):
    run = run_graph(graph(NORA, put(restore_former())))
    before, after, shown = (run.picture(name).astype(int) for name in ("before", "after", "shown"))
    assert np.abs(after - before)[shown > 200].mean() > 10
    assert np.abs(after - before)[shown == 0].max() <= 1
    said = run.said("restore")
    assert (said["faces"], said["network"], said["commercial"]) == (1, "RestoreFormer", "not said")
    assert said["kept"] < 0.9
    assert f"1 faces restored by RestoreFormer, likeness to before {said['kept']:.3f}" in run.text("restore")
    assert "RestoreFormer says nothing of commercial use" in run.text("restore")


def test_none_and_no_blend_change_nothing_and_a_wall_has_no_face(run_graph, put):
    name = put(restore_former())
    for inputs in ((NORA, "none"), (NORA, name, 0.0)):
        run = run_graph(graph(*inputs))
        assert np.array_equal(run.picture("before"), run.picture("after"))
        assert run.picture("shown").max() == 0
    wall = run_graph(graph(WALL, name))
    assert np.array_equal(wall.picture("before"), wall.picture("after"))
    assert wall.said("restore")["warnings"] == ["No face was found in picture 1; it passes through unchanged."]


def test_a_file_that_is_no_restorer_is_one_sentence_on_the_node(run_graph, put):
    run = run_graph(graph(NORA, put(b"PK\x03\x04" + bytes(60))))
    assert run.status == "error"
    assert "is a .pth by another name and was not read" in run.error


def test_a_network_that_is_not_there_is_refused_before_anything_runs(post):
    answer = post(graph(NORA, "lost.safetensors"))
    assert "lost.safetensors" in str(answer["node_errors"]["restore"])
