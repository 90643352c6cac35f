"""Which restoration network a file is, by the names of its tensors, and what its licence allows; without torch."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import reading, tensor_files
from ..disk import read_toml
from ..errors import PortraitError

FOLDER = "facerestore_models"
"""The folder of models/ that other packs read such networks from too."""
SUFFIX = ".safetensors"
_PTH = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05")  # how a .pth begins
_OTHER = "use one of GFPGAN, RestoreFormer or CodeFormer as .safetensors."


class RestoreError(PortraitError):
    """A face cannot be restored as asked."""


@dataclass(frozen=True)
class RestorationNetwork:
    """A restoration network; see networks.toml. `marks` are empty for one that is not listed there."""

    name: str
    side: int = 512
    signed: bool = False
    marks: tuple[str, ...] = ()
    commercial: Literal["no", "in part", "not said"] = "not said"
    licence: str = "not known here"
    source: str = ""
    extra: str = ""

    @property
    def sentence(self) -> str:
        """What its licence allows, in one sentence."""
        allowed = {
            "no": "is for non-commercial use",
            "in part": "has parts for non-commercial use",
            "not said": "says nothing of commercial use",
        }
        return f"{self.name} {allowed[self.commercial]} (licence: {self.licence})."


@functools.cache
def known() -> dict[str, RestorationNetwork]:
    """Return the networks of networks.toml by name."""
    rows = read_toml(Path(__file__).with_name("networks.toml"))
    return {name: RestorationNetwork(name, **{**row, "marks": tuple(row["marks"])}) for name, row in rows.items()}


def called(name: str) -> RestorationNetwork | None:
    """Return the network that a file's name speaks of, for a host whose files cannot be read."""
    return next((one for key, one in known().items() if key.lower() in name.lower().replace("_", "")), None)


def without_prefix(names: Collection[str]) -> int:
    """Return how many characters begin every name and say nothing, as in `params_ema.toRGB.0.weight`."""
    first = next(iter(names), "")
    lead = first.partition(".")[0] + "."
    return len(lead) if "." in first and all(name.startswith(lead) for name in names) else 0


def recognised(names: Collection[str]) -> RestorationNetwork | None:
    """Return the known network whose tensors have these names, or None."""
    skip = without_prefix(names)
    plain = {name[skip:] for name in names}
    return next((one for one in known().values() if plain.issuperset(one.marks)), None)


def look_at(path: Path) -> tensor_files.Header:
    """Return the header of a network's file; no tensor is read.

    Raises RestoreError, in one sentence, for a file that is no whole .safetensors: a .pth by its own or another name,
    one that is cut short, or one that cannot be read.
    """
    if path.suffix.lower() != SUFFIX:
        raise RestoreError(f"{path.name} is not a {SUFFIX} file and was not read, since others can hold code; {_OTHER}")
    try:
        with reading.opened(path) as file:
            begin = file.read(9)
        # A header of 640 bytes begins a .safetensors as a .pth begins, but is followed by its JSON.
        if begin.startswith(_PTH) and not begin.endswith(b"{"):
            raise RestoreError(
                f"{path.name} is a .pth by another name and was not read, since it can hold code; convert it to "
                f"{SUFFIX} as the help page of Restore Face says."
            )
        return tensor_files.read_header(path)
    except reading.ReadError as error:
        raise RestoreError(f"{path.name} cannot be read ({error}); put the file into {FOLDER} again.") from None
    except ValueError as error:
        raise RestoreError(f"{path.name} is not a whole {SUFFIX} file ({error}); download it again.") from None


def not_a_restorer(path: Path, what: str = "") -> RestoreError:
    """Return the error for a file that is whole and no face restoration network."""
    return RestoreError(f"{path.name} is no face restoration network{what}; {_OTHER}")
