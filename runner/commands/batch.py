"""`portrait-studio batch`: many rows through one graph, on one or many hosts."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ...portrait import reading
from ..batch import (
    BatchBusyError,
    Order,
    Places,
    State,
    TableError,
    begin,
    locked,
    policy,
    stored_rows,
    take_back,
    write_csv,
)
from ..jobs import build, output
from .batch_work import SECRET, work_through
from .console import out, reporting, say, write_event
from .options import DEFAULT_HOST, Graph, Json, PhotoFolders, Photos, Settings, all_photos

batch = typer.Typer(help="Run a graph over many rows, and go on after whatever happens.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the batch: what --out was.")]
Rows = Annotated[list[int] | None, typer.Argument(metavar="[ROW]...", help="Row numbers; all when left out.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        envvar="PORTRAIT_STUDIO_HOST",
        help="The address of a ComfyUI, or a file with one per line; can be given several times.",
    ),
]
Hook = Annotated[
    str, typer.Option("--webhook", metavar="URL", help=f"Post signed events there; the secret is in {SECRET}.")
]
Stall = Annotated[float, typer.Option(help="Seconds without any movement on a host; 0: no limit.", min=0)]
Timeout = Annotated[float, typer.Option(help="Seconds one row may run; 0: no limit.", min=0)]
Depth = Annotated[int, typer.Option(help="Prompts of this batch that a host holds at a time.", min=1, max=64)]
Patience = Annotated[float, typer.Option(help="Seconds that all hosts may be away; 0: for ever.", min=0)]
_SHIPPED = policy()


@batch.command("run")
def run_batch(
    graph: Graph,
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]", help="CSV or JSON Lines; or, after --matrix, more NAME=VALUES."),
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="A folder of its own for the batch.")] = Path("studio-batch"),
    axes: Annotated[
        list[str] | None,
        typer.Option("--matrix", metavar="NAME=VALUES", help="Every combination: pose=a,b tone=all seed=1..8"),
    ] = None,
    settings: Settings = None,
    photos: Photos = None,
    photo_folders: PhotoFolders = None,
    hosts: Hosts = None,
    allow_differences: Annotated[
        bool, typer.Option(help="Use hosts of different versions; pictures may depend on where they are made.")
    ] = False,
    as_json: Json = False,
    webhook: Hook = "",
    stall: Stall = _SHIPPED.stall,
    timeout: Timeout = _SHIPPED.timeout,
    depth: Depth = _SHIPPED.depth,
    patience: Patience = _SHIPPED.hosts_gone,
) -> None:
    """Check every row, then make them all: one line of a table, or one combination of a matrix, is one job."""
    with reporting(as_json):
        table, pairs = _sources(rows or [], axes or [])
        values, given = build.parse_settings(settings or []), all_photos(photos, photo_folders)
        order = Order(graph, _addresses(hosts), table, pairs, values, given, allow_differences)
        output.prepare(folder)
        with locked(folder), begin(order, folder, lambda text: say(escape(text))) as state:
            work_through(
                folder,
                state,
                order.hosts,
                as_json,
                webhook,
                policy(stall=stall, timeout=timeout, depth=depth, hosts_gone=patience),
            )


@batch.command("resume")
def resume_batch(
    folder: Folder,
    hosts: Hosts = None,
    as_json: Json = False,
    webhook: Hook = "",
    verify: Annotated[bool, typer.Option(help="Look at every picture, and make those again that are gone.")] = False,
    stall: Stall = _SHIPPED.stall,
    timeout: Timeout = _SHIPPED.timeout,
    depth: Depth = _SHIPPED.depth,
    patience: Patience = _SHIPPED.hosts_gone,
) -> None:
    """Go on with a batch: exactly the rows that are missing, whatever ended the last run."""
    with reporting(as_json), _opened(folder, alone=True) as state:
        begun_on = json.loads(state.facts()["hosts"])
        if verify:
            state.reopen(Places(folder, state).missing())
        rules = policy(stall=stall, timeout=timeout, depth=depth, hosts_gone=patience)
        work_through(folder, state, _addresses(hosts) if hosts else begun_on, as_json, webhook, rules)


@batch.command("status")
def batch_status(folder: Folder, as_json: Json = False) -> None:
    """Say how a batch stands, also while it runs."""
    with reporting(as_json), _opened(folder) as state:
        counts = state.counts()
        reasons = dict(state.query("SELECT error, COUNT(*) FROM rows WHERE state = 'failed' GROUP BY error"))  # pyright: ignore
        if as_json:
            write_event("batch_status", **counts, reasons=reasons)
            return
        table = Table("rows", "done", "open", "set aside", "cancelled")
        table.add_row(
            str(sum(counts.values())),
            *(str(counts[one]) for one in ("done", "open", "failed", "cancelled")),
        )
        out.print(table)
        for row, error, message in state.query(
            "SELECT number, error, message FROM rows WHERE state = 'failed' ORDER BY number LIMIT 200"
        ):
            say(f"[red]row {row}[/] ({escape(str(error))}): {escape(str(message))}")


@batch.command("retry")
def retry_batch(folder: Folder, rows: Rows = None, as_json: Json = False) -> None:
    """Open rows again that were set aside or cancelled; `resume` then makes them."""
    with reporting(as_json), _opened(folder, alone=True) as state:
        _told_count("retried", state.retry(rows or ()), as_json)


@batch.command("cancel")
def cancel_batch(folder: Folder, rows: Rows = None, as_json: Json = False) -> None:
    """Cancel what is open, here and on the hosts: of a batch that runs, all of it."""
    with reporting(as_json):
        try:
            with _opened(folder, alone=True) as state:
                count = state.cancel(rows or ())
                _, there = take_back(state)
                for host, left in there.items():
                    say(f"[yellow]! {escape(host)} may still have {left} of its prompts; cancel again later[/]")
                _told_count("cancelled", count, as_json)
        except BatchBusyError:
            if rows:
                raise
            with _opened(folder) as state:
                state.order_cancel()
            if not as_json:
                say("The batch is running; it stops within some seconds.")


@batch.command("export")
def export_batch(
    folder: Folder,
    file: Annotated[Path, typer.Option("--out", help="A CSV file to write.")] = Path("batch.csv"),
    as_json: Json = False,
) -> None:
    """Write a table of all rows: their parameters, what became of them, their pictures, likeness and hashes."""
    with reporting(as_json), _opened(folder) as state:
        names = sorted({name for _, _, row in stored_rows(state) for name in row.settings})
        header = ["row", "state", "error", "message", "host", "attempts", "files", "likeness", "sha256", *names]
        try:
            write_csv(file, header, _exported(state, names))
        except OSError as error:
            raise TableError(f"The file {file.name!r} cannot be written ({error.strerror or error})") from error
        _told_count("exported", sum(state.counts().values()), as_json)


def _exported(state: State, names: Sequence[str]) -> Iterator[list[Any]]:
    for number, how, row in stored_rows(state):
        error, message, attempts = next(
            state.query("SELECT error, message, attempts FROM rows WHERE number = ?", number)
        )
        done = next(state.query("SELECT number, host FROM attempts WHERE row = ? AND state = 'done'", number), None)
        files = state.files(number, done[0]) if done else []
        likeness = next((one.likeness for one in reversed(files) if one.likeness is not None), "")
        yield [
            *(number, how, error or "", message or "", done[1] if done else "", attempts),
            *("\n".join(one.name for one in files), likeness, "\n".join(one.sha256 for one in files)),
            *(row.settings.get(name, "") for name in names),
        ]


# --- What the commands share -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(folder: Path, alone: bool = False) -> Iterator[State]:
    """Open the state of a batch; `alone` keeps other runners off while the block runs."""
    with State.open(folder) as state, locked(folder) if alone else contextlib.nullcontext():
        yield state


def _sources(rows: Sequence[str], axes: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Separate the table from the parts of a matrix, which the shell has split at spaces."""
    pairs = [pair for text in axes for pair in shlex.split(text)]
    if axes:
        return None, [*pairs, *rows]
    if len(rows) > 1:
        raise TableError(f"A batch has one table, and {len(rows)} were given")
    return (Path(rows[0]) if rows else None), pairs


def _addresses(given: Sequence[str] | None) -> list[str]:
    """Return the hosts' addresses; what is not one is a file with one per line."""
    found: list[str] = []
    for text in given or [DEFAULT_HOST]:
        if "://" in text:
            found += text.split()
            continue
        try:
            lines = reading.read_text(Path(text), "notes").splitlines()
        except reading.ReadError as error:
            raise TableError(f"--host {text!r} is neither an address nor a file that can be read ({error})") from error
        found += [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return list(dict.fromkeys(address.rstrip("/") for address in found))


def _told_count(what: str, count: int, as_json: bool) -> None:
    if as_json:
        write_event("batch_changed", change=what, rows=count)
    else:
        say(f"{count} row{'s' * (count != 1)} {what}")
