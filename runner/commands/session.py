"""`portrait-studio session`: from a folder of photos to a ranked sheet of portraits, in one command."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ...portrait.errors import PortraitError
from ...portrait.subjects import clean_name
from ..batch import locked, policy
from ..client import Client
from ..jobs import build, output
from ..session import (
    CONTACT_SHEET,
    PORTRAITS,
    ConsentError,
    PortraitSession,
    SessionError,
    Verdicts,
    Wish,
    chosen_photos,
)
from .batch_work import conclude, work
from .console import agreed, out, reporting, say, write_event
from .display import progress
from .options import Json, Settings
from .own_host import OptionalHost, host_of

SESSIONS = Path("studio-sessions")
QUESTION = "Does the person in these photos agree to being trained and pictured?"
SessionFolder = Annotated[
    Path | None, typer.Option("--out", help="The folder of the session; studio-sessions/NAME when left out.")
]


def session_command(
    photos: Annotated[list[Path] | None, typer.Argument(help="Folders of photos of one person, or the files.")] = None,
    name: Annotated[str, typer.Option("--name", help="What to call the person.")] = "",
    checkpoint: Annotated[
        str, typer.Option(help="A checkpoint of the host; left out: the only one, or the pocket one.")
    ] = "",
    poses: Annotated[str, typer.Option(help="Pose presets, with commas between, or all.")] = "",
    tones: Annotated[str, typer.Option(help="Tone presets, with commas between, or all.")] = "",
    count: Annotated[int, typer.Option(help="Pictures of each pose and tone; 0: as the checkpoint's kind has it.")] = 0,
    seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 1,
    prompt: Annotated[str, typer.Option(help="What the portraits show: clothes, background, light.")] = "",
    trigger: Annotated[str, typer.Option(help="The prompt word for the person.")] = "ohwx",
    class_word: Annotated[str, typer.Option(help="What the person is: woman, man, person.")] = "person",
    preset: Annotated[str, typer.Option(help="Training preset; by the checkpoint's kind when left out.")] = "",
    graph: Annotated[
        str, typer.Option(help="The graph of the portraits; by the checkpoint's kind when left out.")
    ] = "",
    settings: Settings = None,
    training: Annotated[
        list[str] | None,
        typer.Option("--training", metavar="NAME=VALUE", help="A parameter of train-subject; may be repeated."),
    ] = None,
    consent: Annotated[bool, typer.Option("--consent", help="The person in the photos agrees.")] = False,
    trained: Annotated[bool, typer.Option("--trained", help="Use the subject of this name as it is.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Train again if there is a subject of this name.")] = False,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="DIR", help="Go on with a session, wherever it stopped.")
    ] = None,
    folder: SessionFolder = None,
    host: OptionalHost = "",
    as_json: Json = False,
) -> None:
    """Judge the photos, train a subject, and make portraits over poses, tones and seeds; the same again goes on."""
    with reporting(as_json):
        if resume is not None:
            wish, files, place = None, {}, resume
            PortraitSession.resumed(resume).close()  # what is wrong with it is said before a host starts
        else:
            if trained and replace:
                raise SessionError("--trained uses a subject as it is, and --replace trains it again: give one of them")
            if not name:
                raise SessionError("A session needs a name for the person: give --name, for example --name Anna")
            files = {} if trained and not photos else chosen_photos(photos or [])
            wish = Wish(
                name=clean_name(name),
                photos=tuple(files),
                checkpoint=checkpoint,
                poses=_listed(poses),
                tones=_listed(tones),
                count=count,
                seed=seed,
                trigger=trigger,
                class_word=class_word,
                preset=preset,
                graph=graph,
                prompt=prompt,
                settings=build.parse_settings(settings or []),
                training=build.parse_settings(training or []),
                replace=replace,
                trained=trained,
            )
            place = folder or SESSIONS / wish.name
            if not (consent or trained or _begun(place) or (sys.stdin.isatty() and not as_json)):
                raise ConsentError(
                    "Nothing was done, since nobody can be asked here whether the person in the photos agrees: give "
                    "--consent if so"
                )
        output.prepare(place)
        with locked(place, "session"), host_of(host) as (client, patience):
            session = PortraitSession.begun(wish, files, place, client) if wish else PortraitSession.resumed(place)
            with contextlib.closing(session):
                _steps(session, client, patience, consent, as_json)


def _steps(session: PortraitSession, client: Client, patience: float, consent: bool, as_json: bool) -> None:
    """Take the steps that are left, and tell what each came to."""
    if not session.order.trained:
        with progress(as_json) as listener:
            verdicts = session.judge(client, listener)
        _tell_verdicts(verdicts, as_json)
        if not session.agreed:
            session.agree(consent or (not as_json and agreed(QUESTION)))
        with progress(as_json) as listener:
            training = session.train(client, listener)
        if training is not None:
            if as_json:
                write_event("subject_ready", subject=session.order.name, before=training.before, after=training.after)
            else:
                likeness = " with it, ".join(_likeness(one) for one in (training.after, training.before))
                say(f"[green]✓[/] {escape(session.order.name)} is trained: likeness {likeness} without")
    place = session.folder / PORTRAITS
    with session.portraits([client.address.url], lambda text: say(escape(text))) as state, locked(place):
        rules = policy(hosts_gone=patience) if patience else policy()
        counts, fault = work(place, state, [client.address.url], as_json, "", rules)
    page = session.finish()
    conclude(counts, fault, f"session --resume {session.folder}")
    if as_json:
        write_event("session_finished", subject=session.order.name, portraits=counts["done"], report=page.name)
    else:
        out.print(f"The portraits, the most alike first: {session.folder / CONTACT_SHEET}", highlight=False)
        out.print(f"Everything on one page: {page}", highlight=False)


def _tell_verdicts(verdicts: Verdicts, as_json: bool) -> None:
    if as_json:
        write_event("photos_judged", photos=verdicts.as_dict()["photos"], doubts=list(verdicts.doubts))
        return
    say(f"[green]✓[/] {len(verdicts.accepted)} of {len(verdicts.photos)} photos will do")
    for one in verdicts.photos:
        if not one.accepted:
            say(f"[yellow]! {escape(one.name)}: {escape(one.reason)}[/]")
    for text in (*verdicts.doubts, *verdicts.advice):
        say(f"[yellow]! {escape(text)}[/]")


def _begun(folder: Path) -> bool:
    """Whether a session in this folder has its consent already."""
    try:
        session = PortraitSession.resumed(folder)
    except PortraitError:  # there is none, or it cannot be used: which one, is said when it is begun
        return False
    with contextlib.closing(session):
        return session.agreed


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _likeness(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"
