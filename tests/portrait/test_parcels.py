"""A subject on its way to another store: it arrives whole or not at all, and takes nobody's place."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from portrait_studio.portrait import lock, parcels, reading, subjects
from portrait_studio.portrait.subjects import Subject, SubjectError

NAME = "미나 1"


def stored(root: Path, name: str = NAME, value: float = 1.0, references: bool = True) -> Subject:
    """Save a subject with a small LoRA."""
    root.mkdir(parents=True, exist_ok=True)
    up, down = np.full((4, 2), value, np.float32), np.ones((2, 4), np.float32)
    save_file({"x.lora_up.weight": up, "x.lora_down.weight": down}, root.parent / "trained.safetensors")
    faces = np.random.default_rng(1).random((2, 128)).astype(np.float32) if references else None
    person = Subject(name, "m1na", "woman", root.parent / "trained.safetensors", faces, "sface", {"steps": 240})
    return subjects.save(person, root)


class Way:
    """Two stores, and the folder between them."""

    def __init__(self, place: Path) -> None:
        self.here, self.there, self.folder = place / "here", place / "there", place / "way"

    def hand_over(self, name: str = NAME) -> dict[str, str]:
        told = parcels.hand_over(name, self.here, self.folder)
        return {part: one["sha256"] for part, one in told["parts"].items()}

    def take_in(self, hashes: dict[str, str], name: str = NAME) -> bool:
        return parcels.take_in(name, hashes, self.folder, self.there)

    def put(self, data: bytes) -> str:
        """Leave a file in pieces, as somebody may have uploaded it, and return its hash."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.folder.mkdir(exist_ok=True)
        (self.folder / parcels.piece(sha256, 0)).write_bytes(data)
        return sha256

    def left(self) -> list[str]:
        """What is in the other store and between the stores, apart from the locks."""
        found = [*self.there.rglob("*"), *self.folder.glob("*")]
        return sorted(path.name for path in found if lock.LOCKS not in path.parts)


@pytest.fixture
def way(tmp_path) -> Way:
    return Way(tmp_path)


@pytest.mark.parametrize("references", [True, False])
def test_a_subject_arrives_as_it_was_and_nothing_stays_between(way, references):
    sent = stored(way.here, references=references)
    (way.here / NAME / subjects.TRAINING).mkdir()
    (way.here / NAME / subjects.TRAINING / "crop.png").write_bytes(b"a face")
    assert way.take_in(way.hand_over())
    arrived = subjects.load(NAME, way.there)
    files = {path.name: path.read_bytes() for path in (way.here / NAME).iterdir() if path.is_file()}
    assert {path.name: path.read_bytes() for path in (way.there / NAME).iterdir()} == files
    assert (arrived.trigger, arrived.card, arrived.lora is not None) == (sent.trigger, sent.card, True)
    assert list(way.folder.iterdir()) == []
    assert sorted(path.name for path in way.there.iterdir()) == [lock.LOCKS, NAME]


def test_a_large_file_goes_in_pieces(way, monkeypatch):
    monkeypatch.setattr(parcels, "PIECE", 100)
    stored(way.here)
    hashes = way.hand_over()
    assert len(list(way.folder.glob(f"{hashes['lora']}-*.part"))) > 2
    assert way.take_in(hashes)
    there = subjects.load(NAME, way.there).lora
    assert there is not None
    assert load_file(there)["x.lora_up.weight"].shape == (4, 2)
    assert list(way.folder.iterdir()) == []


def test_the_same_subject_is_taken_in_once(way):
    stored(way.here)
    assert way.take_in(way.hand_over())
    before = (way.there / NAME / subjects.CARD).stat().st_mtime_ns
    assert not way.take_in(way.hand_over())
    assert (way.there / NAME / subjects.CARD).stat().st_mtime_ns == before
    assert list(way.folder.iterdir()) == []


def test_another_subject_of_the_name_stays_as_it_is(way):
    stored(way.here)
    there = stored(way.there, value=2.0).lora
    assert there is not None
    content = there.read_bytes()
    with pytest.raises(SubjectError, match="There is another subject named '미나 1' here, which stays"):
        way.take_in(way.hand_over())
    assert there.read_bytes() == content
    assert list(way.folder.iterdir()) == []


def test_a_training_under_way_keeps_the_name(way):
    stored(way.here)
    crop = way.there / NAME / subjects.TRAINING / "crop.png"
    crop.parent.mkdir(parents=True)
    crop.write_bytes(b"a face")
    with pytest.raises(SubjectError, match="which stays"):
        way.take_in(way.hand_over())
    assert [path for path in (way.there / NAME).rglob("*") if path.is_file()] == [crop]


def test_a_subject_that_somebody_trains_is_left_alone(way):
    stored(way.here)
    hashes = way.hand_over()
    with lock.locked(way.there, NAME), pytest.raises(lock.BusyError):
        way.take_in(hashes)
    assert way.left() == []


@pytest.mark.parametrize(
    "name", ["../mina", "mina/..", "..", "", "none", "/etc/mina", "a\\b", "mina ", ".mina", "con", "mi\x00na"]
)
def test_a_name_that_leads_elsewhere_is_refused(way, name):
    stored(way.here)
    hashes = way.hand_over()
    with pytest.raises(SubjectError, match="A subject cannot be"):
        way.take_in(hashes, name)
    assert not way.there.exists()


@pytest.mark.parametrize("sha256", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", f"{'a' * 60}/../"])
def test_what_is_no_hash_is_refused_before_anything_is_opened(way, sha256):
    stored(way.here)
    with pytest.raises(SubjectError):
        way.take_in(way.hand_over() | {"lora": sha256})
    assert not way.there.exists()


def lora_bytes(folder: Path, tensors: dict[str, np.ndarray]) -> bytes:
    save_file(tensors, folder / "made.safetensors")
    return (folder / "made.safetensors").read_bytes()


def halves(up: tuple[int, int], down: tuple[int, int]) -> dict[str, np.ndarray]:
    return {"x.lora_up.weight": np.ones(up, np.float32), "x.lora_down.weight": np.ones(down, np.float32)}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: b"\x80\x04\x95pickled", "is not a whole safetensors file"),
        (lambda folder: b"PK\x03\x04" + bytes(500), "is not a whole safetensors file"),
        (lambda folder: b"", "is not a whole safetensors file"),
        (lambda folder: lora_bytes(folder, halves((4, 2), (2, 4)))[:-3], "is not a whole safetensors file"),
        (lambda folder: lora_bytes(folder, halves((4, 2), (3, 4))), "is not a LoRA that can be used"),
    ],
)
def test_what_is_not_a_lora_is_refused_and_nothing_is_left(way, tmp_path, make, says):
    stored(way.here)
    with pytest.raises(SubjectError, match=says):
        way.take_in(way.hand_over() | {"lora": way.put(make(tmp_path))})
    assert [path for path in way.left() if not path.endswith(".part")] == []
    assert not (way.there / NAME).exists()


def test_a_file_of_another_content_is_refused(way):
    stored(way.here)
    hashes = way.hand_over()
    file = way.folder / parcels.piece(hashes["lora"], 0)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(SubjectError, match="The lora of subject '미나 1' is not here as it was sent"):
        way.take_in(hashes)
    assert way.left() == []


def test_a_missing_piece_is_told(way):
    stored(way.here)
    hashes = way.hand_over()
    (way.folder / parcels.piece(hashes["card"], 0)).unlink()
    with pytest.raises(SubjectError, match="The card of subject '미나 1' is not here as it was sent"):
        way.take_in(hashes)
    assert way.left() == []


def test_a_piece_that_is_a_link_is_not_followed(way, tmp_path):
    stored(way.here)
    hashes = way.hand_over()
    file = way.folder / parcels.piece(hashes["lora"], 0)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SubjectError, match="it is a link"):
        way.take_in(hashes)
    assert way.left() == []
    assert (tmp_path / "elsewhere").exists()


def test_a_file_that_is_too_large_is_refused_on_both_ways(way, monkeypatch):
    stored(way.here)
    hashes = way.hand_over()
    monkeypatch.setattr(reading, "limit", lambda kind: 100 if kind == "brought LoRA" else 10**6)
    with pytest.raises(SubjectError, match="is larger than"):
        way.take_in(hashes)
    assert way.left() == []
    with pytest.raises(SubjectError, match="larger than what another host takes in"):
        way.hand_over()


def changed(key: str, value: object) -> Callable[[dict], dict]:
    return lambda card: {**card, key: value}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed("name", "jun"), "The card of subject '미나 1' is not one of these files"),
        (changed("lora", None), "The card of subject '미나 1' is not one of these files"),
        (changed("lora", "../other/lora.safetensors"), "The card of subject '미나 1' is not one of these files"),
        (changed("references", None), "The card of subject '미나 1' is not one of these files"),
        (changed("trigger", ["x"]), "it must be text"),
        (lambda card: [card], "is not one JSON object"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(way, change, says):
    stored(way.here)
    hashes = way.hand_over()
    card = json.loads((way.here / NAME / subjects.CARD).read_text("utf-8"))
    with pytest.raises(SubjectError, match=says):
        way.take_in(hashes | {"card": way.put(json.dumps(change(card)).encode())})
    assert not (way.there / NAME).exists()


def test_references_that_are_no_faces_are_refused(way, tmp_path):
    stored(way.here)
    hashes = way.hand_over()
    nan = lora_bytes(tmp_path, {"references": np.full((2, 128), np.nan, np.float32)})
    with pytest.raises(SubjectError, match="are not finite numbers"):
        way.take_in(hashes | {"references": way.put(nan)})
    assert not (way.there / NAME).exists()


def test_a_subject_without_a_lora_is_not_handed_over(way):
    subjects.save(Subject("jun", "jun", "man"), way.here)
    with pytest.raises(SubjectError, match="has no LoRA to hand over"):
        way.hand_over("jun")
    with pytest.raises(SubjectError, match="There is no subject named 'nobody'"):
        way.hand_over("nobody")


def test_a_copy_that_is_emptied_leaves_the_subject_whole(way):
    stored(way.here)
    way.hand_over()
    for file in way.folder.iterdir():
        file.write_bytes(b"")
    assert subjects.load(NAME, way.here).lora is not None


def test_a_full_disk_is_told_and_leaves_nothing(way, monkeypatch):
    stored(way.here)
    hashes = way.hand_over()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parcels.disk, "sync", full)
    with pytest.raises(SubjectError, match="cannot be taken in: No space left on device"):
        way.take_in(hashes)
    assert way.left() == []


def test_somebody_who_is_faster_keeps_the_name(way, monkeypatch):
    """The name is taken between the look and the renaming, by a process that knows nothing of our lock."""
    stored(way.here)
    hashes = way.hand_over()
    read = subjects.read

    def slow(folder: Path) -> Subject:
        if folder.parent != way.there and not (way.there / NAME).exists():
            shutil.copytree(folder, way.there / NAME)
            (way.there / NAME / "theirs").write_bytes(b"x")
        return read(folder)

    monkeypatch.setattr(subjects, "read", slow)
    with pytest.raises(SubjectError, match="cannot be taken in"):
        way.take_in(hashes)
    assert (way.there / NAME / "theirs").exists()
