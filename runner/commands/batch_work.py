"""A batch at work on a terminal or for a program: bars or events, the papers, a webhook, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from ..batch import (
    REPORT,
    AttemptFailed,
    BatchError,
    BatchRun,
    HostChanged,
    News,
    RowFailed,
    RowFinished,
    State,
    SubjectBrought,
    Tally,
    Webhook,
)
from ..client import exit_code
from ..scheduling import Fault, Policy
from .batch_display import BatchDisplay, Every, Papers
from .console import err, say, write_event

SECRET = "PORTRAIT_STUDIO_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable, not its value


def work_through(folder: Path, state: State, hosts: Sequence[str], as_json: bool, webhook: str, rules: Policy) -> None:
    """Run what is open of a batch until it ends, and say how it ended. Raises BatchError when rows are left."""
    counts, fault = work(folder, state, hosts, as_json, webhook, rules)
    conclude(counts, fault, f"batch resume {folder.name}")
    say(
        f"[green]done[/]: {counts['done']} of {sum(counts.values())} rows are done; the report is "
        f"{escape(str(folder / REPORT))}"
    )


def work(
    folder: Path, state: State, hosts: Sequence[str], as_json: bool, webhook: str, rules: Policy
) -> tuple[dict[str, int], Fault | None]:
    """Run what is open of a batch until it ends; return the counts of rows, and why it stopped early if it did."""
    with contextlib.ExitStack() as stack:
        hook = Webhook(webhook, _secret(), lambda text: say(f"[yellow]{escape(text)}[/]")) if webhook else None
        if hook is not None:
            stack.callback(hook.close)
        display = stack.enter_context(BatchDisplay(err)) if not as_json else None
        papers, watch = Papers(folder, state), Every(1.0)

        def hear(news: News) -> None:
            papers.hear(news)
            if as_json:
                _write_news(news)
            if display is not None:
                display.hear(news)
            if hook is not None and not isinstance(news, AttemptFailed):
                hook.send(type(news).__name__, **_fields(news))

        def tick(tally: Tally) -> None:
            papers.tick(tally)
            if display is not None:
                display.tick(tally)
            if watch.due() and state.cancel_ordered():
                run.stop(Fault("cancelled", "The batch was cancelled"))

        run = BatchRun(folder, state, hosts, rules, hear, tick)
        stack.enter_context(_stopping_on_signals(run))
        fault = run.run()
        if state.cancel_ordered():
            state.cancel()
            state.order_cancel(False)
        papers.finish(run.tally)
        counts = state.counts()
        if as_json:
            write_event("batch_finished", **counts, reason=fault.message if fault else "")
        if hook is not None:
            hook.send("BatchFinished", **counts, reason=fault.message if fault else "")
    return counts, fault


def conclude(counts: dict[str, int], fault: Fault | None, again: str) -> None:
    """Raise what tells that a batch is not done: Exit when somebody stopped it, BatchError otherwise.

    `again` are the words after `portrait-studio` that go on with it.
    """
    done = f"{counts['done']} of {sum(counts.values())} rows are done"
    if fault is not None and fault.kind == "stopped":
        say(f"[yellow]stopped; {done}: `portrait-studio {escape(again)}` goes on[/]")
        raise typer.Exit(exit_code(fault.message))
    if fault is not None:
        raise BatchError(f"{fault.message}; {done}, and `portrait-studio {again}` goes on from there")
    if counts["failed"]:
        raise BatchError(
            f"{_rows(counts['failed'])} set aside and {done}: `batch status` says why, `batch retry` opens them"
        )


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count} rows were"


@contextlib.contextmanager
def _stopping_on_signals(run: BatchRun) -> Iterator[None]:
    """The first signal takes everything back from the hosts and ends the run; the second ends the process."""

    def stop(number: int, _: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        run.stop(Fault("stopped", "terminated" if number == signal.SIGTERM else "interrupted"))

    former = {}
    with contextlib.suppress(ValueError):  # not in the main thread: whoever runs us has handlers of their own
        former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _secret() -> str:
    secret = os.environ.get(SECRET, "")
    if not secret:
        raise BatchError(f"A webhook needs a secret that both sides know: set the variable {SECRET}")
    return secret


def _fields(news: News) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(news).items()}


def _write_news(news: News) -> None:
    if isinstance(news, RowFinished):
        write_event("row_done", **_fields(news))
    elif isinstance(news, AttemptFailed):
        write_event("attempt_failed", **_fields(news))
    elif isinstance(news, RowFailed):
        write_event("row_failed", **_fields(news))
    elif isinstance(news, HostChanged):
        write_event("host_changed", **_fields(news))
    elif isinstance(news, SubjectBrought):
        write_event("subject_brought", **_fields(news))
