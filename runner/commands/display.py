"""A job's events on a terminal: which node runs, how far it is, how many jobs wait before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..client import events
from .console import err, print_event

EVERY = 20.0  # seconds between lines about a long node where no bar can be drawn


class Display:
    """Shows events as they come; a context manager. Call it with each event."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,  # else it leaves an empty line in a log
        )
        self.whole = self.progress.add_task("sending", total=None)
        self.step = None
        self.title, self.began, self.told = "", 0.0, 0.0
        self.photos: dict[str, str] = {}  # what the host calls a photo, and its own name

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        progress = self.progress
        if isinstance(event, events.PhotoUploaded):
            self.photos[PurePosixPath(event.uploaded).name] = event.photo
            self._say(f"photo [bold]{escape(event.photo)}[/] is on the host")
        elif isinstance(event, events.Accepted) and event.found:
            self._say("the host has this job already; following it")
        elif isinstance(event, events.Queued):
            ahead = f"{event.position} job{'s' if event.position != 1 else ''} ahead"
            progress.update(self.whole, description=f"waiting, {ahead}" if event.position else "next in the queue")
        elif isinstance(event, events.Started):
            progress.update(self.whole, description="nodes", total=event.nodes, completed=event.cached)
        elif isinstance(event, events.NodeStarted):
            self.step = progress.add_task(f"[bold]{escape(event.title)}[/]", total=None)
            self.title, self.began = event.title, time.monotonic()
            self.told = self.began
        elif isinstance(event, events.NodeProgress) and self.step is not None:
            progress.update(self.step, completed=event.value, total=event.max)
            if not self.console.is_terminal:
                self._remaining(event)
        elif isinstance(event, events.NodeFinished):
            if self.step is not None:
                progress.remove_task(self.step)
                self.step = None
            progress.advance(self.whole)
            self._say(f"[green]✓[/] {escape(event.title)} [dim]{event.seconds:.2f} s[/]")
        elif isinstance(event, events.HostAway):
            self._say(f"[yellow]{escape(event.reason)}; trying again[/]")
        elif isinstance(event, events.HostBack):
            self._say("[yellow]the host is back[/]")
        elif isinstance(event, events.Warned):
            message = event.message
            for uploaded, photo in self.photos.items():
                message = message.replace(uploaded, photo)
            self._say(f"[yellow]! {escape(message)}[/]")
        elif isinstance(event, events.ImageSaved):
            note = " [dim](reused: an earlier job had made it)[/]" if event.reused else ""
            self._say(f"[green]saved[/] [bold]{escape(event.file)}[/]{note}")
        elif isinstance(event, events.Cancelled):
            end = "the job was cancelled on the host" if event.gone else "the host may still run the job"
            self._say(f"[yellow]interrupted; {end}[/]")
        elif isinstance(event, events.Finished):
            self._say(f"[green]done[/] in {event.seconds:.1f} s, {len(event.images)} image(s)")

    def _remaining(self, event: events.NodeProgress) -> None:
        now = time.monotonic()
        if now - self.told < EVERY or not 0 < event.value < event.max:
            return
        self.told = now
        left = (now - self.began) / event.value * (event.max - event.value)
        self._say(f"{escape(self.title)}: {event.value:.0f} of {event.max:.0f}, about {left:.0f} s left")

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def progress(as_json: bool) -> Iterator[Callable[[events.Event], None]]:
    """Yield what shows a job's events: to a program on stdout, or to a person on stderr."""
    if as_json:
        yield print_event
    else:
        with Display(err) as display:
            yield display
