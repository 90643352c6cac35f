"""A subject on its way to another host: the files of its folder in pieces, each called by the hash of its whole file.

`hand_over` cuts them up, whoever carries them brings the pieces, and `take_in` puts them together, checks all that a
subject has to be, and only then gives it its name. A parcel is a stranger's until its hashes and its card are checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import disk, presets, reading, subjects
from .lock import locked
from .subjects import CARD, LORA, REFERENCES, SubjectError

FOLDER = "portrait-studio-parcels"
"""The sub-folder of a host's temporary folder that parcels are left in, going out and coming in."""
PARTS = {"card": CARD, "lora": LORA, "references": REFERENCES}
"""The files of a subject by what a parcel calls them; one without reference faces has no references."""
PIECE = 1 << 25
"""Bytes of the largest piece; a host takes an upload of 100 MB unless it is told otherwise."""
_CHUNK = 1 << 22
_HASH = re.compile(r"[0-9a-f]{64}")


def hand_over(name: str, root: Path, folder: Path) -> dict[str, Any]:
    """Cut the files of a subject of the store `root` into pieces in `folder`, for somebody to fetch; return the list.

    The list has the `name`, and for each part its `sha256`, its size in `bytes` and its number of `pieces`, which
    `piece` names. The pieces are copies: whoever fetched them may empty them.

    Raises SubjectError when there is no such subject, it has no LoRA, or the disk refuses.
    """
    subject = subjects.load(name, root)
    if subject.lora is None:
        raise SubjectError(f"The subject {subject.name!r} has no LoRA to hand over; train it first.")
    parts = {part: root / subject.name / file for part, file in PARTS.items()}
    if subject.references is None:
        del parts["references"]
    try:
        _check_card(subjects.read_card(root / subject.name), subject.name, parts)
        folder.mkdir(parents=True, exist_ok=True)
        return {"name": subject.name, "parts": {part: _cut(part, file, folder) for part, file in parts.items()}}
    except reading.ReadError as error:
        raise SubjectError(f"A file of subject {subject.name!r} cannot be read ({error}).") from None
    except OSError as error:
        raise SubjectError(f"The subject {subject.name!r} cannot be handed over: {error.strerror or error}.") from None


def piece(sha256: str, number: int) -> str:
    """Return what a piece of the file with this hash is called, by its number from 0."""
    return f"{sha256}-{number}.part"


def take_in(name: str, hashes: Mapping[str, str], folder: Path, root: Path) -> bool:
    """Put the pieces in `folder` together to a subject of the store `root`; False when the store has just this one.

    `hashes` are the sha256 of the parts. Nothing has the name until everything is found good: the name is one that
    leads nowhere else, the files have these hashes and no more bytes than limits.json allows, the LoRA is one that can
    be applied, and the card is of this subject and of these files. What has the name already stays as it is. The pieces
    are gone afterwards, whatever came of them.

    Raises SubjectError, BusyError while somebody trains the subject.
    """
    wanted = {part: sha256 for part, sha256 in hashes.items() if sha256}
    _check(name, wanted)
    try:
        with locked(root, name):
            if os.path.lexists(root / name):
                _refuse_another(name, wanted["lora"], root)
                return False
            with _room(name, root) as fresh:
                for part, sha256 in wanted.items():
                    _join(part, sha256, folder, fresh / PARTS[part], name)
                _check_card(subjects.read_card(fresh), name, wanted)
                subjects.read(fresh)
                fresh.chmod(0o755)
                fresh.rename(root / name)  # refused by the system if somebody was faster: the folder is not empty
        disk.sync_folder(root)
        return True
    except OSError as error:
        raise SubjectError(f"The subject {name!r} cannot be taken in: {error.strerror or error}.") from None
    finally:
        for sha256 in wanted.values():
            for file in _pieces(sha256, folder):
                with contextlib.suppress(OSError):
                    file.unlink()


def _cut(part: str, file: Path, folder: Path) -> dict[str, Any]:
    """Copy a file in pieces; each is written beside its name and renamed."""
    with reading.opened(file, links=False) as source:
        size = os.fstat(source.fileno()).st_size
        if size > reading.limit(_kind(part)):
            raise reading.ReadError(f"{file.name} is larger than what another host takes in")
        digest = hashlib.sha256()
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
        sha256 = digest.hexdigest()
        source.seek(0)
        count = 0
        while chunk := source.read(PIECE):
            disk.write(folder / piece(sha256, count), chunk)
            count += 1
    return {"sha256": sha256, "bytes": size, "pieces": count}


def _check(name: str, wanted: Mapping[str, str]) -> None:
    """Raise SubjectError for a name that is not a folder's, and for anything but hashes of its files."""
    if subjects.clean_name(name) != name:
        raise SubjectError(f"A subject cannot be taken in as {presets.shown(name)}: that is not the name of a folder.")
    if not {"card", "lora"} <= set(wanted) <= set(PARTS):
        raise SubjectError(f"The subject {name!r} can only be taken in with the hashes of its card and of its LoRA.")
    for part, sha256 in wanted.items():
        if not _HASH.fullmatch(sha256):
            raise SubjectError(f"{presets.shown(sha256)} is not a sha256 of the {part} of subject {name!r}.")


def _refuse_another(name: str, lora: str, root: Path) -> None:
    """Raise SubjectError unless what has the name is a subject with this very LoRA."""
    with contextlib.suppress(SubjectError):  # broken, or a training that has not ended: not the one that is brought
        there = subjects.read(root / name).lora
        if there is not None and disk.sha256(there) == lora:
            return
    raise SubjectError(f"There is another subject named {name!r} here, which stays; rename or delete one of the two.")


@contextlib.contextmanager
def _room(name: str, root: Path) -> Iterator[Path]:
    """Yield an empty folder in the store in which a subject is made whole, under a name that no menu shows."""
    outer = Path(tempfile.mkdtemp(prefix=subjects.WRITING, dir=root))
    try:
        (outer / name).mkdir()
        yield outer / name
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _join(part: str, sha256: str, folder: Path, target: Path, name: str) -> None:
    """Put the pieces of a file together. Raises SubjectError unless the whole has this hash, and OSError."""
    most, size, digest = reading.limit(_kind(part)), 0, hashlib.sha256()
    try:
        with target.open("xb") as whole:
            for file in _pieces(sha256, folder):
                with reading.opened(file, links=False) as source:
                    while chunk := source.read(_CHUNK):
                        size += len(chunk)
                        if size > most:
                            raise SubjectError(f"The {part} of subject {name!r} is larger than {most / 1e6:g} MB.")
                        digest.update(chunk)
                        whole.write(chunk)
        disk.sync(target)
    except reading.ReadError as error:
        raise SubjectError(f"The {part} of subject {name!r} cannot be read ({error}); bring it again.") from None
    if digest.hexdigest() != sha256:
        raise SubjectError(f"The {part} of subject {name!r} is not here as it was sent; bring it again.")


def _pieces(sha256: str, folder: Path) -> list[Path]:
    """Return the pieces of a file that are there, as many as follow one another."""
    found: list[Path] = []
    while os.path.lexists(file := folder / piece(sha256, len(found))):
        found.append(file)
    return found


def _check_card(card: Mapping[str, Any], name: str, parts: Collection[str]) -> None:
    """Raise SubjectError for a card of another subject, or of files that are not called as `PARTS` has them."""
    fits = card.get("name", name) == name and card.get("lora") == LORA
    if not fits or card.get("references") != (REFERENCES if "references" in parts else None):
        raise SubjectError(f"The card of subject {name!r} is not one of these files: save or train the subject again.")


def _kind(part: str) -> str:
    return {"card": "card", "lora": "brought LoRA", "references": "brought references"}[part]
