"""The faces of a subject's photos on the disk: read as they were written, refused when they are something else."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from portrait_studio.portrait import subjects
from portrait_studio.portrait.likeness import known as known_photos
from portrait_studio.portrait.subjects import Subject, SubjectError

from ...present import present
from .people import known


def test_what_was_written_is_read(tmp_path):
    lora = tmp_path / subjects.LORA
    path = tmp_path / subjects.TRAINING / known_photos.FOLDER / known_photos.FACES
    assert known_photos.of_subject(Subject("Anna", lora=lora)) is None
    before = known("david")
    known_photos.save(before, path)
    after = present(known_photos.of_subject(Subject("Anna", lora=lora)))
    assert after.names == before.names
    assert after.backend == "sface"
    for name in ("faces", "embeddings", "turns", "trained"):
        assert np.allclose(getattr(after, name), getattr(before, name), atol=1e-4)


def test_a_subject_that_is_none_has_no_photos():
    assert known_photos.of_subject(None) is None
    assert known_photos.of_subject(subjects.nobody()) is None


@pytest.mark.parametrize(
    ("change", "about"),
    [
        (lambda tensors: tensors.pop("faces"), {}),
        (lambda tensors: tensors.update(faces=tensors["faces"][:, :50]), {}),
        (lambda tensors: tensors["embeddings"].fill(np.nan), {}),
        (lambda tensors: tensors.update(trained=tensors["trained"][:2]), {}),
        (lambda tensors: None, {"names": "[1, 2]"}),
        (lambda tensors: None, {"names": "{"}),
    ],
)
def test_a_file_of_other_things_is_refused_by_name(tmp_path, change, about):
    path = tmp_path / known_photos.FACES
    known_photos.save(known("david"), path)
    tensors = load_file(path)
    change(tensors)
    names = '["' + '", "'.join(known("david").names) + '"]'
    save_file(tensors, path, {"backend": "sface", "names": names} | about)
    with pytest.raises(SubjectError, match=r"faces\.safetensors does not hold the faces"):
        known_photos.load(path)
