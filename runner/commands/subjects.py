"""`portrait-studio subjects`: the people in a host's store, to look at, to hand on and to purge; no host need run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from ...portrait import disk
from ...portrait import subject_store as store
from ...portrait.likeness import page as likeness_page
from ...portrait.likeness.known import FOLDER
from ...portrait.lock import locked
from ...portrait.subjects import TRAINING, SubjectError
from .console import agreed, out, reporting, say, write_event, write_json
from .options import ComfyUI, Json, Store, Yes, store_of

subjects = typer.Typer(help="The trained subjects of a host.", no_args_is_help=True)

SHORT_LIST = 4
Name = Annotated[str, typer.Argument(help="The subject's name, as `subjects list` shows it.")]


@subjects.command("list")
def list_command(comfyui: ComfyUI = None, folder: Store = None, as_json: Json = False) -> None:
    """List the subjects with their prompt words, checkpoint and likeness; unfinished trainings too."""
    with reporting(as_json):
        entries = store.survey(store_of(comfyui, folder))
        if as_json:
            for entry in entries:
                write_json(entry.as_dict())
            return
        if not entries:
            say("There are no subjects yet; train one with the graph train-subject.")
            return
        table = Table(
            Column("subject", no_wrap=True), "prompt words", "trained on", "likeness", "trained", "size", "state"
        )
        for entry in entries:
            likeness = "" if entry.likeness is None else f"{entry.likeness:.2f}"
            row = (entry.name, entry.prompt_words, entry.base, likeness, entry.trained[:10], _size(entry.size))
            table.add_row(*map(escape, row), escape(entry.problem or entry.state))
        out.print(table)


@subjects.command("show")
def show_command(name: Name, comfyui: ComfyUI = None, folder: Store = None, as_json: Json = False) -> None:
    """Show all that is known of a subject: its card, and every file kept of it."""
    with reporting(as_json):
        facts = store.facts(name, store_of(comfyui, folder))
        if as_json:
            write_json(facts)
            return
        table = Table(Column("", no_wrap=True), Column("", overflow="fold"), show_header=False)
        for key, value in {**{key: facts[key] for key in ("name", "state", "prompt_words")}, **facts["card"]}.items():
            table.add_row(escape(key.replace("_", " ")), escape(_words(value)))
        for file, size in facts["files"].items():
            table.add_row("file", f"{escape(file)} ({_size(size)})")
        out.print(table)


@subjects.command("report")
def report_command(
    name: Name,
    target: Annotated[Path, typer.Option("--out", "-o", help="A folder, or the .html file to write.")] = Path(),
    comfyui: ComfyUI = None,
    folder: Store = None,
    as_json: Json = False,
) -> None:
    """Write the likeness report of a subject as one HTML page: every picture beside its nearest training photo."""
    with reporting(as_json):
        root = store_of(comfyui, folder)
        known = store.facts(name, root)["name"]
        text = likeness_page.page(root / known / TRAINING / FOLDER)
        if target.is_dir() or not target.suffix:
            target = target / f"{known} likeness.html"
        if target.suffix.lower() != ".html":
            raise SubjectError(f"{target.name} would not be what it says; give a folder, or a name that ends in .html.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            disk.write(target, text.encode())
        except OSError as error:
            raise SubjectError(f"{target.name} cannot be written ({error.strerror}).") from None
        if as_json:
            write_event("reported", file=str(target), size=target.stat().st_size)
        say(f"[green]✓[/] {escape(target.name)}: it shows faces of the person; hand it on only with their consent")


@subjects.command("export")
def export_command(
    name: Name,
    target: Annotated[Path, typer.Option("--out", "-o", help="A folder, or the file to write.")] = Path(),
    kohya: Annotated[
        bool, typer.Option("--kohya", help="Just the LoRA as .safetensors, in kohya's key names.")
    ] = False,
    comfyui: ComfyUI = None,
    folder: Store = None,
    as_json: Json = False,
) -> None:
    """Write a subject to hand on: LoRA, card and a note in a zip; no photos, no hashes of photos, no embeddings."""
    with reporting(as_json):
        file = store.export(name, store_of(comfyui, folder), target, lora_only=kohya)
        if as_json:
            write_event("exported", file=str(file), size=file.stat().st_size)
        inside = "the LoRA alone" if kohya else "LoRA, card without photos or embeddings, README"
        say(f"[green]✓[/] {escape(file.name)} ({_size(file.stat().st_size)}): {inside}")


@subjects.command("restore")
def restore_command(name: Name, comfyui: ComfyUI = None, folder: Store = None, as_json: Json = False) -> None:
    """Put a subject back whose save was killed half-way, and remove the second copy that the save left."""
    with reporting(as_json):
        root = store_of(comfyui, folder)
        store.facts(name, root)
        with locked(root, name):
            outcome = store.restore(name, root)
        if as_json:
            write_event("restored", name=name, outcome=outcome)
        told = {
            "new": "is there as it was being saved",
            "former": "is there as it was before",
            "whole": "was whole; a second copy of it is removed",
        }
        say(f"[green]✓[/] {escape(name)} {told[outcome]}.")


@subjects.command("delete")
def delete_command(
    name: Name, comfyui: ComfyUI = None, folder: Store = None, yes: Yes = False, as_json: Json = False
) -> None:
    """Purge a subject: photos' crops, embeddings, class images, training states, LoRA and card."""
    with reporting(as_json):
        root = store_of(comfyui, folder)
        facts = store.facts(name, root)
        if not (yes or as_json) and not agreed(
            f"Delete {name} ({len(facts['files'])} files, {_size(facts['size'])}) for good?"
        ):
            raise SubjectError("Nothing was deleted, since nobody said yes: answer y, or give --yes.")
        if as_json and not yes:
            raise SubjectError("Nothing was deleted: --json does not ask, so give --yes.")
        with locked(root, name):
            removed = store.delete(name, root)
        if as_json:
            write_event("deleted", name=name, files=removed)
        say(
            f"[green]✓[/] {escape(name)} is gone: {len(removed)} files. Pictures in ComfyUI's output and temp folders, "
            "photos in its input folder, and exports are yours to delete."
        )


def _words(value: object) -> str:
    """Return a value of a card for a person to read: long lists by their length, the rest as it is."""
    if isinstance(value, list) and len(value) > SHORT_LIST:
        return f"{len(value)} of them (--json shows all)"
    if isinstance(value, dict):
        return "\n".join(f"{key.replace('_', ' ')}: {_words(one)}" for key, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
