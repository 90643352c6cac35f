"""`portrait-studio trainer`: subjects trained outside of ComfyUI, through kohya's sd-scripts.

The one module of the runner that imports the trainer, and only when a command runs.
"""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...portrait import photos as photo_files
from ..client import exit_code
from ..jobs import build
from .console import err, reporting, say, write_event
from .options import ComfyUI, Json, Store, store_of

if TYPE_CHECKING:
    from ...trainer.session import TrainingObserver

trainer = typer.Typer(help="Train subjects without the canvas.", no_args_is_help=True)


@trainer.command("install-kohya")
def install_kohya(
    path: Annotated[
        Path | None,
        typer.Option("--path", metavar="DIR", help="An sd-scripts that you have; it is not changed."),
    ] = None,
    comfyui: Annotated[
        Path | None, typer.Option("--comfyui", metavar="DIR", help="A ComfyUI to copy the tokenizer from.")
    ] = None,
    own_torch: Annotated[
        bool, typer.Option("--own-torch", help="Install another torch for it (5 to 8 GB), instead of sharing this one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set kohya's sd-scripts up in an environment of its own: the pinned version, fetched with git, or a folder."""
    with reporting(as_json):
        from ...trainer.kohya.installing import install

        # What git and pip say goes to a person; a program gets only the end.
        found = install(lambda line: say(escape(line)), path, own_torch=own_torch, comfyui=comfyui)
        if as_json:
            write_event("trainer_installed", **{key: value and str(value) for key, value in asdict(found).items()})
        say(f"[green]✓[/] sd-scripts {escape(found.version)} is ready; train with 'portrait-studio trainer kohya'.")


@trainer.command("kohya")
def kohya(
    name: Annotated[str, typer.Argument(help="What to call the subject.")],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photos of the person, or folders of them.")],
    checkpoint: Annotated[
        Path, typer.Option("--checkpoint", metavar="FILE", help="An SD1.5 or SDXL checkpoint (.safetensors).")
    ],
    trigger: Annotated[str, typer.Option(help="The prompt word for the person.")] = "ohwx",
    class_word: Annotated[str, typer.Option(help="What the person is: woman, man, person.")] = "person",
    look: Annotated[str, typer.Option(help="Hair, skin and the like in words, for prompts.")] = "",
    preset: Annotated[
        str, typer.Option(help="Training preset; by the checkpoint's kind when left out.", show_default=False)
    ] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A training setting; can be given several times."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Train again if there is a subject of this name.")] = False,
    comfyui: ComfyUI = None,
    folder: Store = None,
    as_json: Json = False,
) -> None:
    """Train a subject from photos with sd-scripts; every checkpoint is judged by likeness, the best one is kept."""
    with reporting(as_json), _interruptible() as cancelled, _observer(as_json) as observer:
        from ...trainer import photo_set
        from ...trainer import settings as presets
        from ...trainer.kohya import checkpoint as checkpoints
        from ...trainer.kohya import installation, session
        from ...trainer.session import TrainingJob

        root = store_of(comfyui, folder)
        found = installation.find()
        chosen = presets.load(preset or checkpoints.layout(checkpoint))
        settings = chosen.scaled({key: _value(text) for key, text in build.parse_settings(changes or []).items()})
        files = _files(photos)
        options = photo_set.PhotoSetOptions(trigger, class_word)
        person = photo_set.prepare(photo_files.open_all(files), [file.name for file in files], options)
        for rejected in person.rejected:
            say(f"[yellow]![/] {escape(rejected.name)} is left out: {escape(rejected.reason)}")
        job = TrainingJob(name, settings, replace=replace, look=look)
        outcome = session.train_subject(person, job, checkpoint, found, root, observer, cancelled)
        if as_json:
            write_event(
                "trained",
                subject=outcome.subject.name,
                lora=str(outcome.subject.lora),
                chosen=outcome.chosen.as_dict(),
                before=outcome.scores[0].as_dict(),
                warnings=outcome.warnings,
            )
        for warning in outcome.warnings:
            say(f"[yellow]![/] {escape(warning)}")
        likeness = f"likeness {outcome.chosen.likeness:.3f} (without the LoRA {outcome.scores[0].likeness:.3f})"
        say(f"[green]✓[/] {escape(outcome.subject.name)} is trained: step {outcome.chosen.step}, {likeness}")
        stopped = outcome.subject.card.get("stopped")
        if stopped in ("cancelled", "failed"):
            raise typer.Exit(exit_code("interrupted" if stopped == "cancelled" else "failed"))


def _files(given: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in given:
        files += photo_files.list_folder(path.parent, path.name) if path.is_dir() else [path]
    return files


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _needs_torch() -> None:
    """Raise KohyaError where torch is missing: the wheel runs graphs without it, but checkpoints are judged with it."""
    from ...trainer.kohya.errors import KohyaError

    try:
        import torch  # noqa: F401
    except ImportError:
        raise KohyaError(
            "Training needs torch, and this Python has none: pip install 'portrait-studio[training]'."
        ) from None


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Make Ctrl-C and SIGTERM end the training and keep what is good; yield the function that says whether one came."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: came.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _observer(as_json: bool) -> Iterator[TrainingObserver]:
    _needs_torch()
    from ...trainer.session import TrainingObserver

    if as_json:

        def progress(step: int, steps: int, loss: float) -> None:
            write_event("step", step=step, steps=steps, loss=loss if math.isfinite(loss) else None)

        yield TrainingObserver(progress=progress, say=lambda text: write_event("says", text=text))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def progress(step: int, steps: int, loss: float) -> None:
            bar.update(task, completed=step, total=steps, description=f"training, loss {loss:.3f}")

        yield TrainingObserver(progress=progress, say=lambda text: bar.update(task, description=escape(text)))
