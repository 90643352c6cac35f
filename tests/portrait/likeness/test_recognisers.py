"""A second face recognition from a file: measured by its own figures, refused in one sentence when it is none."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from portrait_studio.portrait import identity
from portrait_studio.portrait.identity import IdentityError
from portrait_studio.portrait.likeness import recognisers, report

from ...present import present
from .people import known, person, photo


def recogniser(path: Path, side: int = 112, numbers: int = 128, kind: type = np.float32) -> Path:
    """Write a recogniser of random weights: a strided convolution and a linear layer."""
    random = np.random.default_rng(5)
    cells = (side // 8) ** 2
    weights = {
        "kernel": random.normal(0, 0.1, (8, 3, 8, 8)).astype(kind),
        "linear": random.normal(0, 0.05, (8 * cells, numbers)).astype(kind),
    }
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["seen"], strides=[8, 8]),
        helper.make_node("Relu", ["seen"], ["shown"]),
        helper.make_node("Flatten", ["shown"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "linear"], ["embedding"]),
    ]
    number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("input", number, [1, 3, side, side])],
        [helper.make_tensor_value_info("embedding", number, [1, numbers])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_a_second_recogniser_has_its_own_likeness_and_its_own_band(tmp_path):
    second = recognisers.opened(recogniser(tmp_path / "auraface-test.onnx"))
    told = report.report([photo("david", 101)], person("david"), known("david"), identity.embedder(), second)
    alone = report.report([photo("david", 101)], person("david"), known("david"), identity.embedder())
    assert told.pictures == alone.pictures  # the first one's figures and ranking are not touched
    other = present(told.second)
    assert other.backend == "auraface-test"
    assert present(other.band).backend == "auraface-test"
    assert present(other.band).high != present(told.band).high
    assert other.likeness != told.likeness
    assert "by auraface-test: " in told.sentence()


def test_faces_are_turned_into_what_the_recogniser_wants(tmp_path):
    path = recogniser(tmp_path / "mine.onnx")
    plain = recognisers.opened(path)(known("david").faces[:2])
    assert plain.shape == (2, 128)
    (tmp_path / "mine.toml").write_text("mean = 0.0\nstd = 255.0\nsame_person = 0.31\n")
    other = recognisers.OnnxEmbedder(path)
    assert other.same_person == 0.31
    assert not np.allclose(other(known("david").faces[:2]), plain)


def test_the_file_that_is_there_is_found_and_none_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(recognisers, "HOMES", [tmp_path])
    assert recognisers.second() == (None, "")
    recogniser(tmp_path / "found.onnx")
    found, why = recognisers.second()
    assert (present(found).name, why) == ("found", "")


def test_a_recogniser_of_another_input_size_is_refused(tmp_path, monkeypatch):
    recogniser(tmp_path / "small.onnx", side=64)
    with pytest.raises(IdentityError, match=r"small\.onnx does not take faces of 112 x 112 px"):
        recognisers.opened(tmp_path / "small.onnx")
    monkeypatch.setattr(recognisers, "HOMES", [tmp_path])
    none, why = recognisers.second()
    assert none is None
    assert why.startswith("The second face recognition is left out: small.onnx")


def test_a_network_that_answers_three_numbers_is_no_recogniser(tmp_path):
    with pytest.raises(IdentityError, match="is not a face recogniser"):
        recognisers.opened(recogniser(tmp_path / "three.onnx", numbers=3))


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(
        IdentityError, match=r"text\.onnx cannot be read by OpenCV|text\.onnx is no ONNX model"
    ) as refusal:
        recognisers.opened(tmp_path / "text.onnx")
    assert str(tmp_path) not in str(refusal.value)


def test_a_network_that_onnxruntime_loads_and_cannot_run_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason="NO ONNXRUNTIME HERE: networks were run by OpenCV alone")
    path = recogniser(tmp_path / "half.onnx", kind=np.float16)
    with pytest.raises(IdentityError, match=r"half\.onnx cannot look at a face"):
        recognisers.opened(path)


@pytest.mark.parametrize(
    ("text", "says"), [("std = 0", "'std' is 0"), ('mean = "x"', "must be a number"), ("=", "read")]
)
def test_a_file_beside_it_that_says_nonsense_is_refused(tmp_path, text, says):
    path = recogniser(tmp_path / "mine.onnx")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(IdentityError, match=says):
        recognisers.OnnxEmbedder(path)


def test_without_onnxruntime_and_opencv_the_way_to_get_one_is_said(tmp_path, monkeypatch):
    path = recogniser(tmp_path / "lonely.onnx")
    real = builtins.__import__

    def no_runtime(name, *rest, **more):
        if name in ("cv2", "onnxruntime"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_runtime)
    with pytest.raises(IdentityError, match="the package onnxruntime"):
        recognisers.OnnxEmbedder(path)
