"""Subjects: names that stay in their folder, cards, LoRAs, references."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from portrait_studio.portrait import subjects
from portrait_studio.portrait.errors import PortraitError

from ..present import present


@pytest.fixture
def lora(tmp_path) -> Path:
    path = tmp_path / "trained.safetensors"
    up, down = np.ones((4, 2), np.float32), np.ones((2, 4), np.float32)
    save_file({"lora_unet_x.lora_up.weight": up, "lora_unet_x.lora_down.weight": down}, path, {"rank": "2"})
    return path


@pytest.fixture
def subject(lora) -> subjects.Subject:
    references = np.random.default_rng(1).random((3, 128)).astype(np.float32)
    return subjects.Subject("Anna Bell", "anb3ll", "woman", lora, references, "sface", {"steps": 800, "base": "sd15"})


# --- names


@pytest.mark.parametrize("name", ["Anna", "Anna Bell", "김민지", "Ann-Sofie d'Arc", "👩‍🚀 astronaut", "x.y", "é"])
def test_names_of_people_stay_as_they_are(name):
    assert subjects.clean_name(name) == name


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/root", "_root"),
        ("C:\\Users\\a", "C__Users_a"),
        ("..a..", "a"),
        ("  a \t b ", "a b"),
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("a\x00b\nc", "abc"),
        ("a\u202eb", "ab"),
        (".hidden", "hidden"),
    ],
)
def test_names_that_could_lead_astray_are_cleaned(name, cleaned):
    assert subjects.clean_name(name) == cleaned


@pytest.mark.parametrize(
    "name", ["", "   ", "..", ".", "\u200b", "none", "NONE", "\x00", "???", "//", '"', "<.>", "? ?"]
)
def test_names_with_nothing_left_are_refused(name):
    with pytest.raises(PortraitError, match="cannot be named"):
        subjects.clean_name(name)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="./\\:. CONconaux1~\u202e\u200d", max_size=20))
@example("com1.")
@example("con .x")
@example("\u200d\ufe0f")
@example("a" * 119 + "é" * 9)
@example(". . /..")
def test_no_name_escapes_its_folder(tmp_path_factory, name):
    try:
        cleaned = subjects.clean_name(name)
    except PortraitError:
        return
    root = Path("/subjects")
    assert Path(os.path.normpath(root / cleaned)).parent == root
    assert PureWindowsPath("C:/subjects", cleaned).parent == PureWindowsPath("C:/subjects")
    assert PureWindowsPath(cleaned).name == cleaned
    assert not PureWindowsPath(cleaned).is_reserved()
    assert cleaned == cleaned.strip(". ") and cleaned.casefold() != "none"
    assert len(cleaned.encode()) <= subjects.MAX_NAME_BYTES + 1
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in cleaned)
    assert subjects.clean_name(cleaned) == cleaned
    assert cleaned.strip("_. ") or not any(character in '<>:"/\\|?*' for character in name)


def test_a_name_of_five_thousand_letters_is_cut_and_an_error_repeats_little_of_it(tmp_path):
    assert len(subjects.clean_name("é" * 5000).encode()) <= subjects.MAX_NAME_BYTES
    for act in (lambda: subjects.clean_name("?" * 5000), lambda: subjects.load("x" * 5000, tmp_path)):
        with pytest.raises(PortraitError) as told:
            act()
        assert len(str(told.value)) < 300


# --- on disk


def test_a_subject_comes_back_as_it_was_saved(tmp_path, subject):
    root = tmp_path / "deep" / "subjects"
    saved = subjects.save(subject, root)
    loaded = subjects.load("Anna Bell", root)
    assert subjects.names(root) == ["Anna Bell"]
    for one in (saved, loaded):
        assert (one.trigger, one.class_word, one.backend) == ("anb3ll", "woman", "sface")
        assert one.card == {"steps": 800, "base": "sd15"}
        assert np.array_equal(present(one.references), present(subject.references))
        assert one.lora == root / "Anna Bell" / "lora.safetensors"
        assert present(one.lora).read_bytes() == present(subject.lora).read_bytes()
    assert loaded.prompt_words == "anb3ll woman"
    assert {path.name for path in root.iterdir()} == {"Anna Bell"}, "nothing temporary is left"


def test_a_subject_needs_neither_lora_nor_references(tmp_path):
    bare = subjects.save(subjects.Subject("민지", class_word="여자"), tmp_path)
    assert bare.lora is None and bare.references is None and bare.prompt_words == "여자"


def test_nobody_has_the_words_it_is_given():
    assert subjects.nobody("man").prompt_words == "man"
    assert subjects.nobody().lora is None


def test_a_taken_name_is_refused_and_replaced_only_on_request(tmp_path, subject):
    root = tmp_path / "subjects"
    subjects.save(subject, root)
    newer = subjects.Subject("Anna Bell", "other")
    with pytest.raises(PortraitError, match="already"):
        subjects.save(newer, root)
    assert subjects.load("Anna Bell", root).trigger == "anb3ll"
    subjects.save(newer, root, replace=True)
    assert subjects.load("Anna Bell", root).trigger == "other"
    assert not (root / "Anna Bell" / "lora.safetensors").exists()
    assert {path.name for path in root.iterdir()} == {"Anna Bell"}


def test_saving_a_subject_over_its_own_lora_keeps_it(tmp_path, subject):
    root = tmp_path / "subjects"
    saved = subjects.save(subject, root)
    again = subjects.save(saved, root, replace=True)
    assert again.lora is not None and again.lora.read_bytes() == subject.lora.read_bytes()


def test_a_failed_save_leaves_what_was_there(tmp_path, subject, monkeypatch):
    root = tmp_path / "subjects"
    subjects.save(subject, root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(subjects.shutil, "copyfile", full)
    with pytest.raises(PortraitError, match="No space left"):
        subjects.save(subject, root, replace=True)
    assert {path.name for path in root.iterdir()} == {"Anna Bell"}
    assert subjects.load("Anna Bell", root).trigger == "anb3ll"


def test_a_lora_that_is_not_safetensors_is_refused_unread(tmp_path, subject):
    root = tmp_path / "subjects"
    pickled = tmp_path / "trained.pt"
    os.mkfifo(pickled)  # opening it would wait for ever
    with pytest.raises(PortraitError, match=r"trained\.pt is not a \.safetensors"):
        subjects.save(subjects.Subject("a", lora=pickled), root)
    subjects.save(subject, root)
    card = root / "Anna Bell" / "card.json"
    os.mkfifo(root / "Anna Bell" / "lora.ckpt")
    card.write_text(json.dumps(json.loads(card.read_text("utf-8")) | {"lora": "lora.ckpt"}), "utf-8")
    with pytest.raises(PortraitError, match=r"lora\.ckpt is not a \.safetensors"):
        subjects.load("Anna Bell", root)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", b"\xff" * 64, (5).to_bytes(8, "little") + b"[[[[[", (2).to_bytes(8, "little") + b"{}junk"],
)
def test_a_file_that_only_looks_like_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(PortraitError, match=r"a\.safetensors is not a whole"):
        subjects.check_safetensors(path)


def test_a_truncated_lora_is_refused(lora):
    lora.write_bytes(lora.read_bytes()[:-1])
    with pytest.raises(PortraitError, match="not a whole"):
        subjects.check_safetensors(lora)


@pytest.mark.parametrize("lora", ["../../other.safetensors", "/etc/passwd", "a\\b.safetensors", "..", "", 3, "a\0"])
def test_a_card_cannot_point_outside_its_folder(tmp_path, lora):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "card.json").write_text(json.dumps({"lora": lora}), "utf-8")
    with pytest.raises(PortraitError, match="must be a file beside it"):
        subjects.load("a", tmp_path)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not one JSON object"),
        ('{"likeness": %s}' % ("9" * 401), "too large a number"),
        ('{"likeness": NaN}', "not a JSON number"),
        ('{"trigger": "\\ud800"}', "half of a surrogate pair"),
        ('{"a": %s}' % ("[" * 500 + "]" * 500), "nested too deeply"),
        ('{"trigger": "%s"}' % ("a" * 9_000_000), "more than the 8 MB"),
        ('{"trigger": 3}', "'trigger' is 3"),
        ('{"class_word": null}', "'class_word'"),
        ('{"lora": "lora.safetensors"}', "lora.safetensors cannot be read"),
        ('{"references": "references.safetensors"}', "references.safetensors cannot be read"),
    ],
)
def test_a_damaged_card_is_refused_by_name(tmp_path, card, says):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "card.json").write_text(card, "utf-8")
    with pytest.raises(PortraitError, match=says):
        subjects.load("a", tmp_path)


@pytest.mark.parametrize(
    "references",
    [
        np.zeros(4, np.float32),
        np.full((2, 3), np.nan, np.float32),
        np.zeros((0, 3), np.float32),
        np.zeros((2, 3), int),
        np.full((2, 3), 1e300),  # finite until they are cast
        np.full((2, 3), 1e30, np.float32),  # finite until their length is taken
        np.zeros((2, 3), np.float32),  # no direction
        np.full((2, 3), 1e-300),
    ],
)
def test_references_that_are_no_embeddings_are_refused(tmp_path, references):
    with pytest.raises(PortraitError, match="references of"):
        subjects.save(subjects.Subject("a", references=references), tmp_path)
    (tmp_path / "b").mkdir()
    save_file({"references": references}, tmp_path / "b" / "references.safetensors")
    (tmp_path / "b" / "card.json").write_text('{"references": "references.safetensors"}', "utf-8")
    with pytest.raises(PortraitError, match="references of"):
        subjects.load("b", tmp_path)


def test_references_under_another_key_are_refused(tmp_path):
    (tmp_path / "b").mkdir()
    save_file({"vectors": np.zeros((1, 2), np.float32)}, tmp_path / "b" / "references.safetensors")
    (tmp_path / "b" / "card.json").write_text('{"references": "references.safetensors"}', "utf-8")
    with pytest.raises(PortraitError, match="holds no 'references'"):
        subjects.load("b", tmp_path)


def test_an_unknown_subject_is_answered_with_the_nearest(tmp_path, subject):
    subjects.save(subject, tmp_path / "s")
    with pytest.raises(PortraitError, match="'Anna Bell'"):
        subjects.load("../Anna Bell", tmp_path / "s")
    assert subjects.names(tmp_path / "absent") == []


def test_a_card_that_is_no_json_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(PortraitError, match="as JSON"):
        subjects.save(subjects.Subject("a", card={"made": object()}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_without_a_card_are_no_subjects(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / ".writing-x").mkdir()
    (tmp_path / ".writing-x" / "card.json").write_text("{}", "utf-8")
    assert subjects.names(tmp_path) == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize("file", ["card.json", "lora.safetensors", "references.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "link", "dangling", "folder"])
def test_only_regular_files_of_a_subject_are_read(tmp_path, subject, file, kind):
    root = tmp_path / "subjects"
    subjects.save(subject, root)
    odd = root / "Anna Bell" / file
    odd.rename(tmp_path / file)
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "folder":
        odd.mkdir()
    else:
        odd.symlink_to(tmp_path / (file if kind == "link" else "nowhere"))
    with pytest.raises(PortraitError):
        subjects.load("Anna Bell", root)
    assert subjects.names(root) == ([] if file == "card.json" else ["Anna Bell"])


UP, DOWN, MID = "a.lora_up.weight", "a.lora_down.weight", "a.lora_mid.weight"


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({UP: (4, 2), DOWN: (3, 4)}, "the ranks 2 and 3, which do not fit each other"),
        ({UP: (4, 2)}, "lacks its other half"),
        ({DOWN: (4, 2)}, "lacks its other half"),
        ({UP: (4, 2, 1, 1), DOWN: (2, 4, 3, 3), MID: (3, 2, 3, 3)}, "do not fit"),
        ({UP: (4,), DOWN: (4,)}, "impossible shapes"),
        ({UP: (4, 0), DOWN: (0, 4)}, "impossible shapes"),
        ({UP: (4, 2), DOWN: (2, 4), "a.alpha": (2,)}, "'a.alpha' is not one number"),
        ({UP: (4, 2), DOWN: (2, 4), "a.reshape_weight": (2,)}, "would change the size of a layer"),
        ({"a.lora_B.weight": (4, 2), "a.lora_A.weight": (3, 4)}, "do not fit"),
        ({"a.lora.up.weight": (4, 2), "a.lora.down.weight": (3, 4)}, "do not fit"),
    ],
)
def test_a_lora_whose_halves_do_not_fit_each_other_is_refused_when_it_is_saved_and_loaded(tmp_path, shapes, says):
    path = tmp_path / "trained.safetensors"
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, path)
    with pytest.raises(PortraitError, match=f"trained.safetensors is not a LoRA that can be used: .*{says}"):
        subjects.save(subjects.Subject("a", lora=path), tmp_path / "s")
    (tmp_path / "s" / "b").mkdir(parents=True)
    path.rename(tmp_path / "s" / "b" / "trained.safetensors")
    (tmp_path / "s" / "b" / "card.json").write_text('{"lora": "trained.safetensors"}', "utf-8")
    with pytest.raises(PortraitError, match=says):
        subjects.load("b", tmp_path / "s")


def test_loras_of_every_naming_that_fit_are_taken(tmp_path):
    shapes = {UP: (4, 2), DOWN: (2, 4), "a.alpha": (), "b.lora_B.weight": (4, 2, 1, 1), "b.lora_A.weight": (2, 4, 3, 3)}
    shapes |= {"c.lora_up.weight": (8, 3, 1, 1), "c.lora_down.weight": (3, 4, 1, 1), "c.lora_mid.weight": (3, 3, 3, 3)}
    path = tmp_path / "trained.safetensors"
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, path)
    assert subjects.save(subjects.Subject("a", lora=path), tmp_path / "s").lora
