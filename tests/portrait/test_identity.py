"""Likeness: the same person scores higher than anybody else, and nothing is ever downloaded."""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from portrait_studio.portrait import alignment, faces, identity
from portrait_studio.portrait.identity import IdentityError, SFaceEmbedder

from .scenes import astronaut, group, nobody, people, person, scaled, turned


def first_face(picture: np.ndarray) -> np.ndarray:
    return identity.embed(picture, faces.detect(picture)[0])


def lit(picture: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def somebody_else() -> np.ndarray:
    return person("cleo_0.jpg")


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda picture: scaled(picture, 0.6), id="smaller"),
        pytest.param(lambda picture: scaled(picture, 2.0), id="larger"),
        pytest.param(lambda picture: lit(picture, 0.5), id="darker"),
        pytest.param(lambda picture: np.ascontiguousarray(picture[:, ::-1]), id="mirrored"),
        pytest.param(lambda picture: turned(picture, 25), id="leaning"),
        pytest.param(lambda picture: cv2.GaussianBlur(picture, (0, 0), 1.5), id="softer"),
    ],
)
def test_the_same_person_stays_the_same(changed, somebody_else):
    original = first_face(astronaut())
    likeness = identity.likeness(original, first_face(changed(astronaut())))
    assert likeness > 0.7
    assert likeness > identity.likeness(original, first_face(somebody_else)) + 0.3


def test_somebody_else_is_below_the_threshold(somebody_else):
    likeness = identity.likeness(first_face(astronaut()), first_face(somebody_else))
    assert likeness < identity.SAME_PERSON["sface"]


def test_every_rendered_person_is_most_like_another_picture_of_themselves():
    names = [name for name, truth in people().items() if abs(truth["yaw"]) <= 30]
    embeddings = np.stack([first_face(person(name)) for name in names])
    cosines = embeddings @ embeddings.T - 2 * np.eye(len(names))
    nearest = [people()[names[index]]["person"] for index in cosines.argmax(1)]
    right = sum(found == people()[name]["person"] for found, name in zip(nearest, names, strict=True))
    assert right >= 0.9 * len(names)


def test_alignment_lays_the_landmarks_on_the_template():
    picture = turned(scaled(astronaut(), 3), 20)
    aligned = identity.align(picture, faces.detect(picture)[0], side=224)
    (again,) = faces.detect(aligned)[:1]
    error = np.abs(np.array(again.landmarks) - alignment.TEMPLATE * 2)
    assert error.max() < 14
    assert aligned.shape == (224, 224, 3)


def test_embeddings_have_length_one_and_are_their_own():
    embedding = first_face(astronaut())
    assert embedding.shape == (128,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_faces_embedded_together_have_the_embeddings_that_each_has_alone():
    pictures = [group(2, 3), nobody(), astronaut()]
    found = faces.detect_all(pictures)
    together = identity.embed_all(pictures, found)
    assert [len(own) for own in together] == [6, 0, 1]
    for picture, own, embeddings in zip(pictures, found, together, strict=True):
        for face, embedding in zip(own, embeddings, strict=True):
            assert np.abs(identity.embed(picture, face) - embedding).max() < 1e-5


def test_without_faces_there_are_no_embeddings():
    assert [len(own) for own in identity.embed_all([nobody()], [[]])] == [0]
    assert identity.SFaceEmbedder()(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, 128)


def test_a_tensor_is_embedded_like_an_array():
    picture = torch.from_numpy(astronaut().copy())
    (face,) = faces.detect(picture)
    assert torch.is_tensor(identity.align(picture, face))
    assert np.array_equal(identity.embed(picture, face), identity.embed(astronaut(), face))


def test_embeddings_are_the_same_in_every_thread():
    picture = astronaut()
    once = first_face(picture)
    with ThreadPoolExecutor(3) as pool:
        assert all(np.array_equal(each, once) for each in pool.map(first_face, [picture] * 6))


def test_the_reference_is_the_normalised_mean_of_normalised_embeddings():
    first, second = np.array([10.0, 0, 0]), np.array([0, 0.1, 0])
    assert identity.reference([first, second]) == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0])


def test_no_reference_face_is_said_in_words():
    with pytest.raises(IdentityError, match="No face was found in the reference photos"):
        identity.reference([])


def test_embeddings_of_two_backends_are_not_compared():
    with pytest.raises(IdentityError, match="128 and 512"):
        identity.likeness(np.ones(128), np.ones(512))


@given(
    hnp.arrays(np.float32, 16, elements=st.floats(-10, 10, width=32)),
    hnp.arrays(np.float32, 16, elements=st.floats(-10, 10, width=32)),
)
def test_likeness_is_symmetric_and_between_minus_one_and_one(first, second):
    likeness = identity.likeness(first, second)
    assert -1 <= likeness <= 1
    assert likeness == pytest.approx(identity.likeness(second, first), abs=1e-6)


def test_pictures_without_a_face_give_no_reference():
    found = identity.embed_largest([np.zeros((200, 200, 3), np.uint8), astronaut()])
    assert len(found) == 1


def test_an_unknown_backend_names_the_backends():
    with pytest.raises(IdentityError, match=r"'facenet'; choose one of sface, insightface"):
        identity.embedder("facenet")


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """A host's models/insightface and a person's own ~/.insightface, both empty."""
    monkeypatch.setattr(identity, "INSIGHTFACE_HOMES", [tmp_path / "models" / "insightface"])
    monkeypatch.setattr(identity.Path, "home", lambda: tmp_path / "home")
    identity.embedder.cache_clear()
    yield tmp_path / "models" / "insightface", tmp_path / "home" / ".insightface"
    identity.embedder.cache_clear()


def put_weights(home, name="w600k_r50.onnx"):
    folder = home / "models" / identity.INSIGHTFACE_PACK
    folder.mkdir(parents=True)
    (folder / name).touch()
    return folder / name


def test_insightface_without_weights_is_refused_and_never_reaches_for_the_network(homes, monkeypatch):
    def forbidden(*_: object) -> None:
        raise AssertionError("the network was reached for")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    with pytest.raises(IdentityError, match=r"no weights here.*non-commercial.*ComfyUI/models/insightface"):
        identity.embedder("insightface")


def test_the_hosts_insightface_weights_come_before_a_persons_own(homes):
    host, own = homes
    assert identity.insightface_weights() is None
    ours = put_weights(own)
    assert identity.insightface_weights() == ours
    hosts = put_weights(host)
    assert identity.insightface_weights() == hosts


def test_the_environment_says_nothing_about_insightface(homes, monkeypatch):
    put_weights(homes[0].parent / "elsewhere")
    monkeypatch.setenv("INSIGHTFACE_HOME", str(homes[0].parent / "elsewhere"))
    assert identity.insightface_weights() is None


def test_insightface_weights_without_the_package_say_what_to_install(homes, monkeypatch):
    put_weights(homes[0])
    monkeypatch.setitem(sys.modules, "insightface", None)
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)
    with pytest.raises(IdentityError, match="install insightface and onnxruntime"):
        identity.embedder("insightface")


def test_sface_is_the_default():
    assert isinstance(identity.embedder(), SFaceEmbedder)


@given(
    st.floats(-180, 180),
    st.floats(0.1, 10),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_a_similarity_is_found_from_its_points(degrees, scale, shift):
    angle = np.radians(degrees)
    turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    matrix = np.column_stack((turn, shift))
    moved = alignment.transformed(alignment.TEMPLATE, matrix)
    assert alignment.similarity(alignment.TEMPLATE, moved) == pytest.approx(matrix, abs=1e-6)
    back = alignment.transformed(moved, alignment.inverse(matrix))
    assert back == pytest.approx(alignment.TEMPLATE, abs=1e-6)


def test_landmarks_in_one_place_only_shift():
    assert alignment.similarity(np.zeros((5, 2)), alignment.TEMPLATE)[:, :2] == pytest.approx(np.eye(2))
