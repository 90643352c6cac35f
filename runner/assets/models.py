"""Model files that graphs require, against what is in a host's folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .folders import ModelFolders
from .hashes import hash_of, known_hash
from .requirements import RequiredModel

HASH_AT_ONCE = 64 << 20  # bytes; a larger file is read for its hash only when asked for
PRESENT, DIFFERENT, MISSING = "present", "different", "missing"
CODE_FREE = (".safetensors", ".sft", ".onnx", ".gguf")  # formats that hold numbers and no code


@dataclass(frozen=True)
class ModelState:
    """A required model as a host has it: `state` is present, different or missing.

    `file` is the copy that the host loads; `hidden` are further ones of the name, which it never sees. `checked` is
    False where its hash is not known: the graph gives none, or the file was not read.
    """

    model: RequiredModel
    state: str
    file: Path | None = None
    size: int = 0
    checked: bool = False
    sha256: str = ""
    hidden: tuple[Path, ...] = ()

    @property
    def fetchable(self) -> bool:
        """Whether `models get` can fetch it: the graph gives an address and a hash."""
        return self.state == MISSING and bool(self.model.url and self.model.sha256)

    @property
    def pickled(self) -> bool:
        """Whether the file can carry Python code that runs when a host loads it."""
        return not self.model.file.lower().endswith(CODE_FREE)


def state_of(model: RequiredModel, folders: ModelFolders, read: bool = False) -> ModelState:
    """Return what a host has of a model; with `read`, large files are read for their hash as well."""
    copies = folders.find(model.folder, model.file)
    if not copies:
        return ModelState(model, MISSING)
    file, *hidden = copies
    size = file.stat().st_size
    if model.size and size != model.size:
        return ModelState(model, DIFFERENT, file, size, True, "", tuple(hidden))
    found = ""
    if model.sha256:
        found = hash_of(file) if read or size <= HASH_AT_ONCE else known_hash(file)
    same = not found or found == model.sha256
    return ModelState(model, PRESENT if same else DIFFERENT, file, size, bool(found), found, tuple(hidden))


def target_of(model: RequiredModel, folders: ModelFolders) -> Path:
    """Return where a model belongs: in the folder that the host searches first. Raises PromptError for a bad name."""
    return folders.place(model.folder, model.file)


def size_words(size: int) -> str:
    """Return a number of bytes in words for a table; 0 is not known."""
    if not size:
        return "size unknown"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size} bytes"


def licence_words(model: RequiredModel) -> str:
    """Return a model's licence for a table, with what it forbids."""
    return (model.license or "licence unknown") + (", NON-COMMERCIAL" if model.non_commercial else "")
