"""Options that mean the same in every command, and the folders that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...portrait import photos as photo_files
from ...portrait.places import studio
from ..assets import ModelFolders, read_folders
from ..client import HostError
from ..graph import located

STUDIO = studio()
SUBJECTS = Path("models") / "portrait_studio" / "subjects"  # where nodes/folders.py has them


def _located(given: Path) -> Path:
    return located(given)


def _all_located(given: list[Path]) -> list[Path]:
    return [located(one) for one in given]


DEFAULT_HOST = "http://127.0.0.1:8188"
Graph = Annotated[
    Path,
    typer.Argument(
        callback=_located,
        help="A graph: the name of one of the studio's own, or a file (JSON, or an image that ComfyUI saved).",
    ),
]
Graphs = Annotated[
    list[Path],
    typer.Argument(metavar="GRAPH...", callback=_all_located, help="Names or files."),
]
Host = Annotated[str, typer.Option("--host", envvar="PORTRAIT_STUDIO_HOST", help="The address of a ComfyUI.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout, and nothing else.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the graph; can be given several times."),
]
ComfyUI = Annotated[
    Path | None, typer.Option("--comfyui", metavar="DIR", help="ComfyUI's folder; .studio/ComfyUI when left out.")
]
Configs = Annotated[
    list[Path] | None,
    typer.Option("--extra-model-paths-config", metavar="FILE", help="As given to ComfyUI; can be given several times."),
]
Photos = Annotated[list[Path] | None, typer.Option("--photo", help="A photo; can be given several times.")]
PhotoFolders = Annotated[
    list[Path] | None, typer.Option("--photos", metavar="DIR", help="A folder of photos; can be given several times.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Store = Annotated[
    Path | None, typer.Option("--store", metavar="DIR", help=f"The store itself, if it is not {SUBJECTS.as_posix()}.")
]


def all_photos(photos: list[Path] | None, folders: list[Path] | None) -> list[Path]:
    """Return the photos that were named and those of the folders, each in natural order. Raises PhotoError."""
    found = list(photos or [])
    for folder in folders or []:
        place = folder.resolve()
        found += photo_files.list_folder(place, "")
    return list(dict.fromkeys(found))


def folders_of(comfyui: Path | None, configs: list[Path] | None) -> ModelFolders:
    """Return the folders of a ComfyUI, the studio's own when none is named. Raises HostError when it is none."""
    own = comfyui is None
    root = STUDIO / "ComfyUI" if comfyui is None else comfyui
    if not (root / "main.py").is_file():
        way = (
            "run python3 install.py host, or name yours with --comfyui DIR" if own else "give the folder that holds it"
        )
        raise HostError(f"There is no ComfyUI in {root.name!r}: main.py is missing; {way}")
    return read_folders(root, configs or (), beside=STUDIO / "models" if own else None)


def store_of(comfyui: Path | None, folder: Path | None) -> Path:
    """Return the folder of a host's subjects, which need not exist. Raises HostError when there is no such host."""
    return folder if folder is not None else folders_of(comfyui, None).root / SUBJECTS
