"""A batch on a terminal, and the papers that it leaves: report and metrics, written again while it runs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ..batch import (
    AttemptFailed,
    BatchStateError,
    HostChanged,
    News,
    RowFailed,
    RowFinished,
    State,
    SubjectBrought,
    Tally,
    page_of,
    write_front,
    write_metrics,
    write_page,
    write_report,
)

LINES_EVERY = 60.0  # seconds between lines where no bar can be drawn
PAPERS_EVERY = 10.0
LONGEST_SHOWN = 160


class Every:
    """Says when so many seconds have passed again."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.next = seconds, 0.0

    def due(self) -> bool:
        """Whether it is time again; true the first time."""
        now = time.monotonic()
        if now < self.next:
            return False
        self.next = now + self.seconds
        return True


class BatchDisplay:
    """Bars for the batch and for each host; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.whole: TaskID | None = None
        self.hosts: dict[str, TaskID] = {}
        self.told = time.monotonic()

    def __enter__(self) -> BatchDisplay:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def hear(self, news: News) -> None:
        """Say what a person should know at once."""
        if isinstance(news, AttemptFailed):
            self._say(f"[yellow]row {news.row}, try {news.attempt} ({news.error}): {_short(news.message)}[/]")
        elif isinstance(news, RowFailed):
            self._say(f"[red]row {news.row} is set aside ({news.error}): {_short(news.message)}[/]")
        elif isinstance(news, HostChanged):
            host = escape(news.host)
            self._say(f"[green]{host} is up[/]" if news.up else f"[yellow]{host} is away: {_short(news.reason)}[/]")

        elif isinstance(news, SubjectBrought):
            what = f"{escape(news.subject)} ({news.size / 1e6:.1f} MB) was brought to {escape(news.host)}"
            self._say(f"[green]{what} from {escape(news.source)}[/]")

    def tick(self, tally: Tally) -> None:
        """Bring the bars up to date."""
        note = _note(tally)
        if self.whole is None:
            self.whole = self.progress.add_task("[bold]rows[/]", total=tally.rows, note="")
        self.progress.update(self.whole, completed=tally.done, total=tally.rows, note=note)
        for host in tally.hosts:
            if host.name not in self.hosts:
                self.hosts[host.name] = self.progress.add_task(escape(host.name), total=None, note="")
            state = f"{host.seconds:.1f} s a job" if host.up and host.seconds else "up" if host.up else "away"
            self.progress.update(self.hosts[host.name], completed=host.done, note=f"{host.open} there, {state}")
        if not self.console.is_terminal and time.monotonic() - self.told > LINES_EVERY:
            self.told = time.monotonic()
            self._say(f"{tally.done} of {tally.rows} rows{f', {note}' if note else ''}")

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


class Papers:
    """Report and metrics of a batch, at most every PAPERS_EVERY seconds; a disk that refuses them stops nothing."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state
        self.every = Every(PAPERS_EVERY)
        self.changed: set[int] = set()  # pages of the sheet that are out of date

    def hear(self, news: News) -> None:
        """Remember which page shows something else now."""
        if isinstance(news, RowFinished | RowFailed):
            self.changed.add(page_of(news.row))

    def tick(self, tally: Tally) -> None:
        """Write what is out of date."""
        if not self.every.due():
            return
        with contextlib.suppress(OSError, BatchStateError):
            write_metrics(self.folder, tally)
            write_front(self.folder, self.state, tally, running=True)
            while self.changed:
                write_page(self.folder, self.state, tally.rows, self.changed.pop())

    def finish(self, tally: Tally) -> None:
        """Write everything for the last time."""
        with contextlib.suppress(OSError, BatchStateError):
            write_metrics(self.folder, tally)
            write_report(self.folder, self.state, tally, running=False)


def _note(tally: Tally) -> str:
    parts = []
    if tally.failed:
        reasons = ", ".join(f"{count} {reason}" for reason, count in tally.failures.most_common(4))
        parts.append(f"{tally.failed} set aside{f' ({reasons})' if reasons else ''}")
    if tally.pictures:
        parts.append(f"{tally.pictures_a_minute:.1f} pictures a minute")
    if tally.remaining:
        parts.append(f"about {_time(tally.remaining)} left")
    return ", ".join(parts)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{minutes // 60} h {minutes % 60} min"
        if minutes > 90
        else f"{minutes} min"
    )


def _short(text: str) -> str:
    return escape(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")
