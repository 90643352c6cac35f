"""YuNet and SFace in torch answer what OpenCV's answer, and can be differentiated through."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from portrait_studio.portrait import face_search, identity, warping, weights
from portrait_studio.portrait.networks import convert, sface, stored, yunet

from ...packing import document
from .pictures import ROOT, pictures, square

RECORDED = document(ROOT / "tests" / "data" / "faces" / "opencv.json.gz")
NAMES = [name for name, value in RECORDED.items() if isinstance(value, dict)]
PIXELS, SCORE, COSINE = 2e-3, 2e-5, 1 - 1e-5  # how far an answer may be from OpenCV's


def channels(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float()


@pytest.mark.parametrize("name", NAMES)
def test_faces_are_those_that_opencv_finds(name):
    with torch.inference_mode():
        ((_, found),) = face_search.look([(0, channels(pictures()[name]))], RECORDED["min_score"])
    rows = np.array(RECORDED[name]["rows"]).reshape(-1, 15)
    ours = np.array([[*face.box, *np.ravel(face.landmarks), face.score] for face in found]).reshape(-1, 15)
    assert ours.shape == rows.shape
    # Copies of one face have one score but for rounding, so their order says nothing.
    ours, rows = (each[np.lexsort(np.rint(each[:, :2].T))] for each in (ours, rows))
    assert np.abs(ours[:, :14] - rows[:, :14]).max(initial=0) < PIXELS
    assert np.abs(ours[:, 14] - rows[:, 14]).max(initial=0) < SCORE


def test_embeddings_are_those_that_opencv_gives():
    known = [name for name in NAMES if RECORDED[name]["embeddings"]]
    faces = np.stack([square(pictures()[name], RECORDED[name]["rows"][0]) for name in known])
    theirs = np.array([RECORDED[name]["embeddings"][0] for name in known])
    ours = identity.SFaceEmbedder()(faces)
    assert len(known) >= 20
    assert np.abs(ours - theirs).max() < 1e-4
    assert (identity.normalised(ours) * identity.normalised(theirs)).sum(1).min() > COSINE


def test_the_recorded_pictures_show_none_one_and_several():
    assert {len(RECORDED[name]["rows"]) for name in NAMES} >= {0, 1, 4}


@pytest.mark.parametrize("module", [yunet, sface])
def test_a_network_is_made_once_a_device_and_a_copy_is_ones_own(module):
    assert module.network("cpu") is module.network("cpu")
    assert module.load() is not module.network("cpu")
    assert not any(p.requires_grad for p in module.network("cpu").parameters())


def test_a_network_first_made_in_inference_mode_can_be_differentiated_through():
    with torch.inference_mode():
        network = sface.load()
    face = torch.rand(1, 3, 112, 112).mul(255).requires_grad_()
    network(face).square().sum().backward()
    assert face.grad is not None and face.grad.abs().max() > 0


def test_likeness_grows_along_its_gradient_through_alignment_and_network():
    picture = torch.from_numpy(pictures()["astronaut"].astype(np.float32))
    landmarks = np.array(RECORDED["astronaut"]["rows"][0][4:14]).reshape(5, 2)
    ada = face_search.from_row(RECORDED["ada_4.jpg"]["rows"][0])
    target = sface.network()(channels(identity.align(pictures()["ada_4.jpg"], ada))[None])

    def likeness(of: torch.Tensor) -> torch.Tensor:
        face = warping.aligned(of, landmarks)[None]
        return torch.cosine_similarity(sface.network()(face), target).sum()

    picture.requires_grad_()
    before = likeness(picture)
    before.backward()
    assert picture.grad is not None
    assert picture.grad[:20].abs().max() == 0, "what the aligned face does not show has no part in it"
    with torch.no_grad():
        assert likeness(picture + 200 * picture.grad / picture.grad.norm()) > before + 0.02


def test_the_differentiable_alignment_is_the_one_that_likeness_uses():
    for factor in (1, 3):  # three times as large it is averaged first
        picture = pictures()["astronaut"].repeat(factor, 0).repeat(factor, 1)
        face = face_search.from_row([value * factor for value in RECORDED["astronaut"]["rows"][0]])
        soft = warping.aligned(torch.from_numpy(picture).float().requires_grad_(), np.array(face.landmarks))
        whole = identity.align(picture, face)
        assert np.abs(soft.detach().permute(1, 2, 0).numpy() - whole).max() <= 0.502


def test_a_face_score_can_be_raised_along_its_gradient():
    picture = channels(pictures()["astronaut, half as large"])[None].requires_grad_()
    before = yunet.decoded(yunet.network()(picture))[0, :, 14].max()
    before.backward()
    assert picture.grad is not None
    with torch.no_grad():
        after = yunet.decoded(yunet.network()(picture - 50 * picture.grad / picture.grad.norm()))[0, :, 14].max()
    assert after < before


def test_one_network_serves_many_threads():
    faces = torch.rand(6, 3, 112, 112) * 255
    once = [sface.network()(face[None]) for face in faces]
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda face: sface.network()(face[None]), faces.repeat(3, 1, 1, 1)))
    assert all(torch.equal(again[i], once[i % 6]) for i in range(18))


def test_a_row_is_dequantised_block_by_block():
    values = torch.tensor([[[1, 2], [3, 4]], [[-1, 0], [5, 7]]], dtype=torch.int8)
    scale, zero = torch.tensor([[1.0, 10.0], [2.0, 0.5]]), torch.tensor([[0, 1], [-1, 3]], dtype=torch.int8)
    assert stored.dequantised(values, scale, zero).tolist() == [[[1, 2], [20, 30]], [[0, 2], [1, 2]]]


def test_the_weights_are_quantised_in_the_file():
    inside = load(weights.read("face_recognition"))
    largest = max(inside.values(), key=torch.numel)
    assert largest.dtype == torch.int8
    assert {values.dtype for values in inside.values()} == {torch.int8, torch.float32}


def test_another_onnx_file_is_refused():
    with pytest.raises(weights.WeightsError, match=r"not the face_detection_yunet_2023mar_int8bq\.onnx"):
        convert.convert("face_detection", b"ONNX")


@pytest.mark.skipif("PORTRAIT_STUDIO_ZOO" not in os.environ, reason="PORTRAIT_STUDIO_ZOO names no folder of ONNX files")
@pytest.mark.parametrize("role", ["face_detection", "face_recognition"])
def test_the_shipped_files_are_what_the_conversion_makes(role):
    source = Path(os.environ["PORTRAIT_STUDIO_ZOO"]) / weights.pins()[role]["made_from"]["file"]
    assert convert.convert(role, source.read_bytes()) == weights.read(role)
