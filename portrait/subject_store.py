"""The store of subjects, looked at from outside: what is in it, a copy to hand on, and deletion without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from . import presets, reading, subjects, tensor_files
from .disk import writing
from .errors import PortraitError
from .subjects import CARD, LORA, REPLACED, TRAINING, WRITING, SubjectError

# What no key of a card that is handed on may be about, whatever it is in.
_IDENTIFYING = ("photo", "held_out", "reference", "embedding", "file", "folder", "path", "names")
_PATH = re.compile(r"/|~|[A-Za-z]:[/\\]|\\\\|file:")
DELETING = ".deleting-"
_HIDDEN = (WRITING, REPLACED, DELETING)  # how folders begin that hold half-done work of a process that was killed

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

    `state` is "trained", "no LoRA", "unfinished" (a training began and left no subject), "broken", "interrupted" (a
    save was killed; `restore` puts the subject back) or "half deleted"; `problem` says what is wrong, also of a subject
    of which a killed save left a second copy. `base` is the checkpoint it was trained on, `likeness` that of the LoRA
    to the held-out photos, `trained` when it was, `size` all bytes of it on the disk.
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
    """Return what is in the store, sorted by name; a card that cannot be read is an entry, not an error."""
    return [_entry(folder, root) for folder in _folders(root)]


def facts(name: str, root: Path) -> dict[str, Any]:
    """Return all that is known of a subject as JSON types: the entry, the card, every file with its size in bytes.

    Raises SubjectError when there is no such subject.
    """
    folder = _folder(name, root)
    entry = _entry(folder, root)
    card: dict[str, Any] = {}
    with contextlib.suppress(SubjectError):
        card = subjects.read_card(folder)
    doomed = [folder, *_leftovers(entry.name, root, folder)]
    files = {path.relative_to(each).as_posix(): _size(path) for each in reversed(doomed) for path in _files(each)}
    return {**entry.as_dict(), "card": card, "files": files}


def export(name: str, root: Path, target: Path, lora_only: bool = False) -> Path:
    """Write a subject to hand on, and return the file: a zip with LoRA, card and a note, or the LoRA alone.

    `target` is a folder, or the file to write (.zip; .safetensors with `lora_only`). The card has no photo, no
    hash of one and no embedding. The file appears whole or not at all.

    Raises SubjectError when the subject has no LoRA, the target has another ending, or the disk refuses.
    """
    subject = subjects.load(name, root)
    if subject.lora is None:
        raise SubjectError(f"The subject {subject.name!r} has no LoRA to export; train it first.")
    ending = ".safetensors" if lora_only else ".zip"
    if target.is_dir() or not target.suffix:
        target = target / f"{subject.name}{ending}"
    if target.suffix.lower() != ending:
        raise SubjectError(f"{target.name} would not be what it says; give a folder, or a name that ends in {ending}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with writing(target) as part:
            if lora_only:
                _copy_lora(subject, part)
            else:
                _pack(subject, part)
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
    doomed = [folder, *_leftovers(_name(folder), root, folder)]
    removed = [path.relative_to(each).as_posix() for each in doomed for path in _files(each)]
    for each in doomed:
        try:
            _bury(each, root)
        except OSError as error:
            what = Path(error.filename).name if error.filename else folder.name
            raise SubjectError(
                f"{what} of subject {folder.name!r} cannot be removed ({error.strerror}); close what uses it and "
                "delete the subject again."
            ) from None
    return removed


def restore(name: str, root: Path) -> str:
    """Finish or undo a save of a subject that was killed half-way; return "new", "former" or "whole".

    "new" says that the subject is the one that was being saved, "former" the one that it was to replace, "whole" that
    the subject was in its place already and only the copies that the killed save left were removed.

    Raises SubjectError when no save was killed, when it left nothing whole to restore, or when the disk refuses.
    """
    folder = _folder(name, root)
    name = _name(folder)
    place = root / name
    left = _leftovers(name, root, place)
    if not left:
        raise SubjectError(f"Nothing of {presets.shown(name)} has to be restored: no save of it was interrupted.")
    outcome = "whole"
    try:
        if not subjects.has_card(place):
            whole = next((one for one in left if _kind(one, root) != DELETING and _is_whole(one)), None)
            if whole is None:
                raise SubjectError(
                    f"What was left of {presets.shown(name)} is not whole and cannot be restored; delete it, or train "
                    "it again."
                )
            outcome = "new" if _kind(whole, root) == WRITING else "former"
            kept = next((one / TRAINING for one in left if (one / TRAINING).is_dir()), None)
            if kept is not None and not (whole / TRAINING).exists() and not (place / TRAINING).exists():
                kept.rename(whole / TRAINING)
            outer = whole.parent
            subjects.swap(whole, place)
            if outer != root:
                outer.rmdir()
        for one in _leftovers(name, root, place):
            _bury(one, root)
    except OSError as error:
        raise SubjectError(f"{presets.shown(name)} cannot be restored ({error.strerror}); look at the disk.") from None
    return outcome


def names(root: Path) -> list[str]:
    """Return the names of all that `delete` can remove: unfinished trainings and what killed processes left, too."""
    return [_name(folder) for folder in _folders(root)]


def _folders(root: Path) -> list[Path]:
    """Return the folders of subjects by name; where only a hidden one is left of a subject, that one."""
    found = {path.name: path for path in _listed(root) if not path.name.startswith(".") and path.is_dir()}
    for path in _hidden(root):
        found.setdefault(_name(path), path)
    return [found[name] for name in sorted(found)]


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; nothing when it is gone or cannot be looked into."""
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _hidden(root: Path) -> list[Path]:
    """Return what killed processes left, one folder a subject: that of a save that was under way first."""
    found = []
    for kind in _HIDDEN:
        for outer in _listed(root):
            if not outer.name.startswith(kind) or outer.is_symlink() or not outer.is_dir():
                continue
            inner = [path for path in _listed(outer) if path.is_dir() and not path.is_symlink()]
            # An earlier version wrote straight into the hidden folder.
            straight = (outer / CARD).exists() or (not inner and bool(_listed(outer)))
            found += [outer] if straight else inner
    return found


def _kind(folder: Path, root: Path) -> str:
    """Return how the hidden folder begins that a subject's folder is or is in; empty for one in its place."""
    outer = folder if folder.parent == root else folder.parent
    return next((kind for kind in _HIDDEN if outer.name.startswith(kind)), "")


def _name(folder: Path) -> str:
    """Return the subject's name: that of the folder, or what the card says where a save wrote without naming it."""
    if folder.name.startswith(_HIDDEN):
        with contextlib.suppress(SubjectError):
            return subjects.clean_name(str(subjects.read_card(folder).get("name")))
    return folder.name


def _folder(name: str, root: Path) -> Path:
    known = {_name(folder): folder for folder in _folders(root)}
    try:
        return known[presets.choose("subject", name, known)]
    except PortraitError as error:
        raise SubjectError(str(error)) from None


def _is_whole(folder: Path) -> bool:
    try:
        subjects.read(folder)
    except SubjectError:
        return False
    return True


def _entry(folder: Path, root: Path) -> Entry:
    name = _name(folder)
    left = _leftovers(name, root, folder)
    size = sum(_size(path) for each in (folder, *left) for path in _files(each))
    kind = _kind(folder, root)
    if kind:
        hint = "delete it again" if kind == DELETING else f"subjects restore {name}"
        state = "half deleted" if kind == DELETING else "interrupted"
        return Entry(name, state, size=size, problem=f"{state}: {hint}")
    if not subjects.has_card(folder):
        return Entry(name, "unfinished", size=size, problem=f"interrupted: subjects restore {name}" if left else "")
    try:
        subject = subjects.read(folder)
    except PortraitError as error:
        return Entry(name, "broken", size=size, problem=str(error))
    trained = subject.card.get("trained")
    checkpoint = _inside(subject.card, "base", "checkpoint")
    return Entry(
        name,
        "trained" if subject.lora else "no LoRA",
        subject.prompt_words,
        checkpoint if isinstance(checkpoint, str) else "",
        _number(_inside(subject.card, "chosen", "likeness")),
        trained if isinstance(trained, str) else "",
        size,
        f"a save that was interrupted left a copy: subjects restore {name}" if left else "",
    )


def _inside(card: Mapping[str, Any], key: str, inner: str) -> Any:
    outer = card.get(key)
    return outer.get(inner) if isinstance(outer, Mapping) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _files(folder: Path) -> list[Path]:
    """Return all that is not a folder below a folder, links included and not followed."""
    if folder.is_symlink():
        return []
    found = []
    for base, folders, files in os.walk(folder):
        found += [Path(base, name) for name in files]
        found += [Path(base, name) for name in folders if Path(base, name).is_symlink()]
    return sorted(found)


def _size(path: Path) -> int:
    """Return a regular file's size in bytes; 0 of all else, and of what is gone by now."""
    with contextlib.suppress(OSError):
        facts = path.lstat()
        return facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    return 0


def _leftovers(name: str, root: Path, place: Path) -> list[Path]:
    """Return the hidden folders in which killed processes left parts of a subject, `place` itself not among them."""
    return [folder for folder in _hidden(root) if folder != place and _name(folder) == name]


def _bury(folder: Path, root: Path) -> None:
    """Remove a folder: out of the menus at one stroke, then file by file. Raises OSError."""
    # A name of its own, so that nothing new is in the way; the subject's name stays in it, to go on if this is killed.
    grave = Path(tempfile.mkdtemp(prefix=DELETING, dir=root)) / _name(folder)
    folder.rename(grave)
    if folder.parent != root:
        with contextlib.suppress(OSError):  # something else is in it
            folder.parent.rmdir()
    shutil.rmtree(grave.parent)


def _pack(subject: subjects.Subject, target: Path) -> None:
    told = {"name": subject.name, "trigger": subject.trigger, "class_word": subject.class_word, "lora": LORA}
    told |= {key: _without_identity(subject.card[key]) for key in handed_on()["card"] if key in subject.card}
    text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    note = READ_ME.format(name=subject.name, lora=LORA, words=subject.prompt_words)
    # A LoRA does not compress.
    with zipfile.ZipFile(target, "w") as archive:
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=target.parent) as folder:
            lora = Path(folder) / LORA
            _copy_lora(subject, lora)
            archive.write(lora, f"{subject.name}/{LORA}")
        archive.writestr(f"{subject.name}/{CARD}", text)
        archive.writestr(f"{subject.name}/README.txt", note)


def _copy_lora(subject: subjects.Subject, target: Path) -> None:
    assert subject.lora is not None
    try:
        tensor_files.copy_with_metadata(subject.lora, target, handed_on()["lora"])
    except (reading.ReadError, ValueError) as error:
        raise SubjectError(f"{subject.lora.name} of subject {subject.name!r} cannot be read ({error}).") from None


@cache
def handed_on() -> dict[str, list[str]]:
    """Return handed_on.json: the keys of a `card` and of a `lora`'s metadata that tell of no person and no machine."""
    return json.loads(Path(__file__).with_name("handed_on.json").read_text("utf-8"))


def _without_identity(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: one for key, one in value.items() if not any(word in str(key).lower() for word in _IDENTIFYING)}
        return {key: _without_identity(one) for key, one in kept.items()}
    if isinstance(value, list):
        return [_without_identity(one) for one in value]
    # A path begins with the folder of whoever wrote the card.
    return re.split(r"[/\\]", value)[-1] if isinstance(value, str) and _PATH.match(value) else value
