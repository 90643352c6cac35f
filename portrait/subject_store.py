"""The store of subjects, looked at from outside: what lies in it, a copy to hand on, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import presets, subjects
from .errors import PortraitError
from .subjects import CARD, LORA, SubjectError

# What a card may say about a person to somebody else. Photos, their hashes and names, and embeddings (which tell a
# person's face from others') stay.
_HANDED_ON = ("trained", "trainer", "base", "settings", "steps", "chosen", "likeness_before", "checkpoints", "licence")
_IDENTIFYING = ("photo", "held_out", "reference", "embedding", "file", "folder", "path", "names")
_HIDDEN = (".writing-", ".replaced-", ".deleting-")  # half-done work of a process that was killed

READ_ME = """{name}: a LoRA of a person, made with Portrait Studio.

{lora}       the LoRA, in kohya's key names; put it into models/loras, or this whole folder into
                        models/portrait_studio/subjects
card.json               trigger word, class word, the checkpoint it was trained on, settings and scores

Write "{words}" in a prompt to call the person up. There are no photos in here, no hashes of photos, and no face
embeddings. A LoRA shows the person's face all the same: hand it on only with their consent.
"""


@dataclass(frozen=True)
class Entry:
    """A subject in the store.

    `state` is "trained", "no LoRA", "unfinished" (a training began and left no subject) or "broken" (`problem` says
    why). `base` is the checkpoint it was trained on, `likeness` that of the LoRA to the held-out photos, `trained` when
    it was, `size` all bytes of it on the disk.
    """

    name: str
    state: str
    prompt_words: str = ""
    base: str = ""
    likeness: float | None = None
    trained: str = ""
    size: int = 0
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON types."""
        return asdict(self)


def survey(root: Path) -> list[Entry]:
    """Return what lies in the store, sorted by name; a card that cannot be read is an entry, not an error."""
    return [_entry(folder) for folder in _folders(root)]


def facts(name: str, root: Path) -> dict[str, Any]:
    """Return all that is known of a subject as JSON types: the entry, the card, every file with its size in bytes.

    Raises SubjectError when there is no such subject.
    """
    folder = _folder(name, root)
    entry = _entry(folder)
    card: dict[str, Any] = {}
    if entry.state not in ("broken", "unfinished"):
        card = json.loads((folder / CARD).read_text("utf-8"))
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    return {**entry.as_dict(), "card": card, "files": files}


def export(name: str, root: Path, target: Path, lora_only: bool = False) -> Path:
    """Write a subject to hand on, and return the file: a zip with LoRA, card and a note, or the LoRA alone.

    `target` is a folder, or the file to write (.zip; .safetensors with `lora_only`). The card tells of no photo, no
    hash of one and no embedding. The file appears whole or not at all.

    Raises SubjectError when the subject has no LoRA, the target has another ending, or the disk refuses.
    """
    subject = subjects.load(_folder(name, root).name, root)
    if subject.lora is None:
        raise SubjectError(f"The subject {subject.name!r} has no LoRA to export; train it first.")
    ending = ".safetensors" if lora_only else ".zip"
    if target.is_dir() or not target.suffix:
        target = target / f"{subject.name}{ending}"
    if target.suffix.lower() != ending:
        raise SubjectError(f"{target.name} would not be what it says; give a folder, or a name that ends in {ending}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _beside(target) as part:
            if lora_only:
                shutil.copyfile(subject.lora, part)
            else:
                _pack(subject, part)
            part.replace(target)
    except OSError as error:
        raise SubjectError(f"{target.name} cannot be written to {target.parent.name!r}: {error.strerror}.") from None
    return target


def delete(name: str, root: Path) -> list[str]:
    """Remove all of a subject: photos' crops, embeddings, class images, states, LoRA, and what killed processes left.

    Returns the removed files, by their path in the subject's folder. What other programs were given (exports, pictures
    in ComfyUI's output folder) is not reached.

    Raises SubjectError when there is no such subject or a file cannot be removed; then the subject is gone from the
    menus all the same, and deleting it again goes on.
    """
    folder = _folder(name, root)
    doomed = [folder, *_leftovers(folder.name, root)]
    removed = [path.relative_to(each).as_posix() for each in doomed for path in _files(each)]
    for each in doomed:
        try:
            # Out of the menus at one stroke; a name of its own, so that nothing new is in the way.
            grave = Path(tempfile.mkdtemp(prefix=".deleting-", dir=root)) / folder.name
            each.rename(grave)
            shutil.rmtree(grave.parent)
        except OSError as error:
            what = Path(error.filename).name if error.filename else folder.name
            raise SubjectError(
                f"{what} of subject {folder.name!r} cannot be removed ({error.strerror}); close what uses it and "
                "delete the subject again."
            ) from None
    return removed


def names(root: Path) -> list[str]:
    """Return the names of all that `delete` can remove, unfinished trainings included."""
    return [folder.name for folder in _folders(root)]


def _folders(root: Path) -> list[Path]:
    """Return the folders of subjects; one that holds nothing but half a deletion counts by its own name."""
    if not root.is_dir():
        return []
    found = {path.name: path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for path in root.glob(".deleting-*/*"):
        found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _folder(name: str, root: Path) -> Path:
    known = {folder.name: folder for folder in _folders(root)}
    try:
        return known[presets.choose("subject", name, known)]
    except PortraitError as error:
        raise SubjectError(str(error)) from None


def _entry(folder: Path) -> Entry:
    size = sum(path.stat().st_size for path in _files(folder))
    if not (folder / CARD).is_file():
        return Entry(folder.name, "unfinished", size=size)
    try:
        subject = subjects.load(folder.name, folder.parent)
    except PortraitError as error:
        return Entry(folder.name, "broken", size=size, problem=str(error))
    return Entry(
        subject.name,
        "trained" if subject.lora else "no LoRA",
        subject.prompt_words,
        str(_inside(subject.card, "base", "checkpoint") or ""),
        _number(_inside(subject.card, "chosen", "likeness")),
        str(subject.card.get("trained") or ""),
        size,
    )


def _inside(card: Mapping[str, Any], key: str, inner: str) -> Any:
    outer = card.get(key)
    return outer.get(inner) if isinstance(outer, Mapping) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, links included and not followed."""
    if folder.is_symlink():
        return []
    found = []
    for base, folders, files in os.walk(folder):
        found += [Path(base, name) for name in [*files, *folders] if name in files or Path(base, name).is_symlink()]
    return sorted(path for path in found if path.is_symlink() or path.is_file())


def _leftovers(name: str, root: Path) -> list[Path]:
    """Return the hidden folders in which a killed process left parts of this subject."""
    found = []
    for folder in root.iterdir():
        if not folder.name.startswith(_HIDDEN) or not folder.is_dir():
            continue
        if (folder / name).exists() or _card_name(folder) == name:
            found.append(folder)
    return [folder for folder in found if folder != root]


def _card_name(folder: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return json.loads((folder / CARD).read_text("utf-8")).get("name")
    return None


def _pack(subject: subjects.Subject, target: Path) -> None:
    told = {"name": subject.name, "trigger": subject.trigger, "class_word": subject.class_word, "lora": LORA}
    told |= {key: _without_identity(subject.card[key]) for key in _HANDED_ON if key in subject.card}
    text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    note = READ_ME.format(name=subject.name, lora=LORA, words=subject.prompt_words)
    # A LoRA does not compress.
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(str(subject.lora), f"{subject.name}/{LORA}")
        archive.writestr(f"{subject.name}/{CARD}", text)
        archive.writestr(f"{subject.name}/README.txt", note)


def _without_identity(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: one for key, one in value.items() if not any(word in str(key).lower() for word in _IDENTIFYING)}
        return {key: _without_identity(one) for key, one in kept.items()}
    return [_without_identity(one) for one in value] if isinstance(value, list) else value


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
