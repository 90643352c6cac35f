"""Subjects: a person on disk, with trigger word, LoRA and reference embeddings.

A subject is a folder `<root>/<name>/` that holds `card.json`, and beside it the LoRA and the references that the card
names, both safetensors. Nothing else is ever read, and no file is trusted before its header has been checked. What a
training keeps is in its sub-folder `training`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import presets, prompting, reading, tensor_files
from .errors import PortraitError

CARD = "card.json"
LORA = "lora.safetensors"
REFERENCES = "references.safetensors"
TRAINING = "training"
"""The sub-folder in which a training keeps crops, class images, samples and states; saving the subject keeps it."""
LOOK = "look"
"""The key of a card with hair, skin and the like, as words for a prompt."""
NONE = "none"
"""What a menu shows for no subject; no subject can have this name."""

WRITING, REPLACED = ".writing-", ".replaced-"
"""How the hidden folders begin in which a save prepares a subject and keeps the former one: <prefix>.../<name>/."""

MAX_NAME_BYTES = 120

_FORBIDDEN = frozenset('<>:"/\\|?*')
_OWN_KEYS = ("name", "trigger", "class_word", "backend")  # of a card: they are attributes of Subject
_JOINERS = frozenset("\u200d\ufe0f")  # hold emoji together
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"))
)


class SubjectError(PortraitError):
    """A subject cannot be named, read or written."""

    key = "subject"


@dataclass(frozen=True, eq=False)
class Subject:
    """A person.

    `trigger` is the word that calls the person up, `class_word` what the person is ("woman"). `lora` is the path of a
    safetensors file, `references` float32 `[K, D]` embeddings of photos that training never saw, made by the face
    recognition `backend`. `card` is whatever else is known (base model, steps, consent, ...). Each may be missing.
    """

    name: str
    trigger: str = ""
    class_word: str = "person"
    lora: Path | None = None
    references: np.ndarray | None = None
    backend: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt_words(self) -> str:
        """What to write in a prompt: trigger and class word."""
        return " ".join(word for word in (self.trigger.strip(), self.class_word.strip()) if word)

    @property
    def look(self) -> str:
        """Hair, skin and the like as words for a prompt, as the card says; empty where it says nothing."""
        return str(self.card.get(LOOK, ""))


def nobody(words: str = "person", look: str = "") -> Subject:
    """Return the subject that stands for no subject; `words` are its prompt words, `look` its hair and the like."""
    return Subject(name=NONE, class_word=words, card={LOOK: prompting.one_line(look)} if look.strip() else {})


def clean_name(name: str) -> str:
    """Return `name` made safe as a folder name on every system; letters of all scripts, spaces and emoji stay.

    Separators and what Windows forbids become "_"; control and invisible characters go, as do dots and spaces at
    either end; names of Windows devices get a "_" behind; at most 120 bytes of UTF-8. Cleaning twice changes nothing.

    Raises SubjectError when nothing is left, nothing but "_" in place of what was there, or it is "none".
    """
    visible = (
        "_" if character in _FORBIDDEN else character
        for character in unicodedata.normalize("NFC", name)
        if character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
    cleaned = "".join(visible).encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip(". \u200d\ufe0f")
    cleaned = " ".join(cleaned.split())
    if cleaned.split(".")[0].strip().casefold() in _DEVICES:
        stem, dot, rest = cleaned.partition(".")
        cleaned = f"{stem.strip()}_{dot}{rest}"
    # Names of forbidden characters alone would all be the same row of "_".
    nothing = not cleaned.strip("_. ") and any(character in _FORBIDDEN for character in name)
    if not cleaned or nothing or cleaned.casefold() == NONE:
        raise SubjectError(
            f"A subject cannot be named {presets.shown(name)}; use a name with at least one letter, and not 'none'."
        )
    return cleaned


def names(root: Path) -> list[str]:
    """Return the names of the subjects in `root`, sorted; folders without a card and hidden ones are not subjects."""
    with contextlib.suppress(OSError):  # a store that cannot be looked into has nobody to offer
        return sorted(path.name for path in root.iterdir() if not path.name.startswith(".") and has_card(path))
    return []


def has_card(folder: Path) -> bool:
    """Return whether there is a card in a folder: a regular file, no link."""
    try:
        return stat.S_ISREG((folder / CARD).lstat().st_mode)
    except (OSError, ValueError):
        return False


def saved_at(name: str, root: Path) -> int:
    """Return when a subject was saved, in ns; 0 when there is none of this name."""
    try:
        return (root / name / CARD).lstat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def load(name: str, root: Path) -> Subject:
    """Read a subject; the LoRA stays on disk, its header is checked.

    Raises SubjectError when there is no such subject (with the nearest names), or naming the file that is unusable: a
    LoRA that is not a .safetensors is refused without being read.
    """
    try:
        folder = root / presets.choose("subject", name, names(root))
    except PortraitError as error:
        raise SubjectError(str(error)) from None
    return read(folder)


def read(folder: Path) -> Subject:
    """Read the subject in a folder, wherever that is. Raises SubjectError as `load` does."""
    card = read_card(folder)
    lora = _beside(folder, card.pop("lora", None), "lora")
    references = _beside(folder, card.pop("references", None), "references")
    _text(card, LOOK, "", folder.name)
    if lora:
        _check_lora(lora, links=False)
    return Subject(
        name=folder.name,
        trigger=_text(card, "trigger", "", folder.name),
        class_word=_text(card, "class_word", "person", folder.name),
        lora=lora,
        references=_read_references(references) if references else None,
        backend=_text(card, "backend", "", folder.name),
        card={key: value for key, value in card.items() if key not in _OWN_KEYS},
    )


def save(subject: Subject, root: Path, replace: bool = False) -> Subject:
    """Write a subject under its cleaned name and return it as it is on disk; the LoRA file is copied.

    The folder appears whole or not at all. Raises SubjectError when the name is taken (unless `replace`), the LoRA is
    not safetensors, the references are not finite numbers `[K, D]`, or the disk refuses.
    """
    name = clean_name(subject.name)
    target = root / name
    if (target / CARD).exists() and not replace:
        raise SubjectError(f"There is a subject named {name!r} already; choose another name or replace it.")
    if subject.lora:
        _check_lora(subject.lora)
    references = None if subject.references is None else _checked_references(subject.references, name)
    card = dict(subject.card) | {
        "name": name,
        "trigger": subject.trigger,
        "class_word": subject.class_word,
        "backend": subject.backend,
        "lora": LORA if subject.lora else None,
        "references": REFERENCES if references is not None else None,
    }
    try:
        root.mkdir(parents=True, exist_ok=True)
        # The name is in the path from the start, so that whatever a killed process leaves can be found by it.
        fresh = Path(tempfile.mkdtemp(prefix=WRITING, dir=root)) / name
        try:
            fresh.mkdir()
            _write(fresh, card, subject.lora, references)
            swap(fresh, target)
        finally:
            shutil.rmtree(fresh.parent, ignore_errors=True)
    except TypeError as error:
        raise SubjectError(f"The card of subject {name!r} cannot be written as JSON: {error}.") from None
    except OSError as error:
        reason = error.strerror or error
        raise SubjectError(f"The subject {name!r} cannot be written to {root.name}: {reason}.") from None
    return load(name, root)


def check_safetensors(path: Path, links: bool = True) -> tensor_files.Header:
    """Look at the name and the header of a safetensors file, and return the header; no tensor is read.

    Raises SubjectError when the suffix is another, the file is missing, no regular file or (without `links`) a link, or
    the header is not that of the format.
    """
    if path.suffix.lower() != ".safetensors":
        raise SubjectError(f"{path.name} is not a .safetensors file and was not read; convert it to safetensors.")
    try:
        return tensor_files.read_header(path, links)
    except reading.ReadError as error:
        raise SubjectError(f"{path.name} cannot be read ({error}); put the file beside its card.") from None
    except ValueError as error:
        raise SubjectError(f"{path.name} is not a whole safetensors file ({error}); copy or train it again.") from None


def _check_lora(path: Path, links: bool = True) -> None:
    header = check_safetensors(path, links)
    if fault := tensor_files.lora_fault(header.shapes):
        raise SubjectError(f"{path.name} is not a LoRA that can be used: {fault}; copy or train it again.")


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card in a subject's folder. Raises SubjectError when it cannot be read or is not one JSON object."""
    try:
        card = reading.read_json(folder / CARD, "card", links=False)
    except reading.ReadError as error:
        raise SubjectError(
            f"The card of subject {folder.name!r} cannot be read ({error}); repair {CARD} or save it again."
        ) from None
    if not isinstance(card, dict):
        raise SubjectError(f"The card of subject {folder.name!r} is not one JSON object; save the subject again.")
    return card


def _text(card: Mapping[str, Any], key: str, default: str, name: str) -> str:
    value = card.get(key, default)
    if not isinstance(value, str):
        raise SubjectError(f"The card of subject {name!r} says {key!r} is {presets.shown(value)}; it must be text.")
    return value


def _beside(folder: Path, name: Any, what: str) -> Path | None:
    if name is None:
        return None
    plain = isinstance(name, str) and name not in ("", "..") and Path(name).name == name and len(name.encode()) < 256
    if not plain or "\\" in name or "\0" in name:
        raise SubjectError(
            f"The card of subject {folder.name!r} says {what!r} is {presets.shown(name)}; it must be a file beside it."
        )
    return folder / name


def _checked_references(references: Any, where: str) -> np.ndarray:
    array = np.asarray(references)
    if array.ndim == 2 and 0 not in array.shape and array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, dtype=np.float32)
            lengths = np.linalg.norm(array, axis=1)
        # Likeness divides by the length, which may overflow or vanish though each number is finite.
        if np.isfinite(array).all() and np.isfinite(lengths).all() and lengths.all():
            return array
    raise SubjectError(
        f"The references of {where} are not finite numbers [photos, features] that can be compared; make them again."
    )


def _read_references(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_safetensors(path, links=False)
    try:
        return _checked_references(load_file(path)["references"], f"subject {path.parent.name!r}")
    except (SafetensorError, KeyError, TypeError, ValueError, OSError):
        raise SubjectError(
            f"{path.name} of subject {path.parent.name!r} holds no 'references'; make it again."
        ) from None


def _write(folder: Path, card: Mapping[str, Any], lora: Path | None, references: np.ndarray | None) -> None:
    from safetensors.numpy import save_file

    if lora:
        shutil.copyfile(lora, folder / LORA)
    if references is not None:
        save_file({"references": references}, folder / REFERENCES)
    (folder / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=2) + "\n", "utf-8")
    folder.chmod(0o755)


def swap(fresh: Path, target: Path) -> None:
    """Put a finished folder in the place of a subject, whose training/ it takes over. Raises OSError."""
    if not target.exists():
        fresh.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=REPLACED, dir=target.parent)) / target.name
    target.rename(old)
    try:
        if (old / TRAINING).is_dir():
            (old / TRAINING).rename(fresh / TRAINING)
        fresh.rename(target)
    except OSError:
        if (fresh / TRAINING).is_dir():
            (fresh / TRAINING).rename(old / TRAINING)
        old.rename(target)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)
