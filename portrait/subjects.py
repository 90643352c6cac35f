"""Subjects: a person on disk, with trigger word, LoRA and reference embeddings.

A subject is a folder `<root>/<name>/` that holds `card.json`, and beside it the LoRA and the references that the card
names, both safetensors. Nothing else is ever read, and no file is trusted before its header has been checked. What a
training keeps lies in its sub-folder `training`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import presets
from .errors import PortraitError

CARD = "card.json"
LORA = "lora.safetensors"
REFERENCES = "references.safetensors"
TRAINING = "training"
"""The sub-folder in which a training keeps crops, class images, samples and states; saving the subject keeps it."""
NONE = "none"
"""What a menu shows for no subject; no subject can have this name."""

MAX_NAME_BYTES = 120
MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors format

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


def nobody(words: str = "person") -> Subject:
    """Return the subject that stands for no subject; `words` are its prompt words."""
    return Subject(name=NONE, class_word=words)


def clean_name(name: str) -> str:
    """Return `name` made safe as a folder name on every system; letters of all scripts, spaces and emoji stay.

    Separators and what Windows forbids become "_"; control and invisible characters go, as do dots and spaces at
    either end; names of Windows devices get a "_" behind; at most 120 bytes of UTF-8. Cleaning twice changes nothing.

    Raises SubjectError when nothing is left, or it is "none".
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
    if not cleaned or cleaned.casefold() == NONE:
        raise SubjectError(f"A subject cannot be named {name!r}; use a name with at least one letter, and not 'none'.")
    return cleaned


def names(root: Path) -> list[str]:
    """Return the names of the subjects in `root`, sorted; folders without a card and hidden ones are not subjects."""
    if not root.is_dir():
        return []
    return sorted(folder.name for folder in root.iterdir() if folder.name[0] != "." and (folder / CARD).is_file())


def load(name: str, root: Path) -> Subject:
    """Read a subject; the LoRA stays on disk, its header is checked.

    Raises SubjectError when there is no such subject (with the nearest names), or naming the file that is unusable: a
    LoRA that is not a .safetensors is refused without being read.
    """
    try:
        folder = root / presets.choose("subject", name, names(root))
    except PortraitError as error:
        raise SubjectError(str(error)) from None
    card = _read_card(folder)
    lora = _beside(folder, card.pop("lora", None), "lora")
    references = _beside(folder, card.pop("references", None), "references")
    if lora:
        check_safetensors(lora)
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
    """Write a subject under its cleaned name and return it as it lies on disk; the LoRA file is copied.

    The folder appears whole or not at all. Raises SubjectError when the name is taken (unless `replace`), the LoRA is
    not safetensors, the references are not finite numbers `[K, D]`, or the disk refuses.
    """
    name = clean_name(subject.name)
    target = root / name
    if (target / CARD).exists() and not replace:
        raise SubjectError(f"There is a subject named {name!r} already; choose another name or replace it.")
    if subject.lora:
        check_safetensors(subject.lora)
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
        fresh = Path(tempfile.mkdtemp(prefix=".writing-", dir=root))
        try:
            _write(fresh, card, subject.lora, references)
            _swap(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except TypeError as error:
        raise SubjectError(f"The card of subject {name!r} cannot be written as JSON: {error}.") from None
    except OSError as error:
        reason = error.strerror or error
        raise SubjectError(f"The subject {name!r} cannot be written to {root.name}: {reason}.") from None
    return load(name, root)


def check_safetensors(path: Path) -> None:
    """Look at the name and the header of a safetensors file; no tensor is read.

    Raises SubjectError when the suffix is another, the file is missing, or the header is not that of the format.
    """
    if path.suffix.lower() != ".safetensors":
        raise SubjectError(f"{path.name} is not a .safetensors file and was not read; convert it to safetensors.")
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = os.fstat(file.fileno()).st_size
            if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
                raise ValueError
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        if 8 + length + max(ends, default=0) != size:
            raise ValueError
    except OSError as error:
        raise SubjectError(f"{path.name} cannot be read ({error.strerror}); put the file beside its card.") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise SubjectError(f"{path.name} is not a whole safetensors file; copy or train it again.") from None


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise SubjectError(
            f"The card of subject {folder.name!r} is not JSON; repair {CARD} or save it again."
        ) from None
    if not isinstance(card, dict):
        raise SubjectError(f"The card of subject {folder.name!r} is not one JSON object; save the subject again.")
    return card


def _text(card: Mapping[str, Any], key: str, default: str, name: str) -> str:
    value = card.get(key, default)
    if not isinstance(value, str):
        raise SubjectError(f"The card of subject {name!r} says {key!r} is {value!r}; it must be text.")
    return value


def _beside(folder: Path, name: Any, what: str) -> Path | None:
    if name is None:
        return None
    if not isinstance(name, str) or not name or Path(name).name != name or "\\" in name or "\0" in name or name == "..":
        raise SubjectError(
            f"The card of subject {folder.name!r} says {what!r} is {name!r}; it must be a file beside it."
        )
    return folder / name


def _checked_references(references: Any, where: str) -> np.ndarray:
    array = np.asarray(references)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise SubjectError(f"The references of {where} are not finite numbers [photos, features]; make them again.")
    return np.ascontiguousarray(array, dtype=np.float32)


def _read_references(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_safetensors(path)
    try:
        return _checked_references(load_file(path)["references"], f"subject {path.parent.name!r}")
    except (SafetensorError, KeyError, TypeError, OSError):
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


def _swap(fresh: Path, target: Path) -> None:
    if not target.exists():
        fresh.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=".replaced-", dir=target.parent)) / target.name
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
