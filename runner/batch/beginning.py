"""A batch is begun: hosts compared, every row checked, and only then a state written."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...portrait import disk, reading
from ...portrait.errors import PortraitError
from ...portrait.presets import shown
from ..client import AddressError, Client, HostError, HostInfo
from ..graph import advice
from ..jobs import Recipe, build, origins, output, read_recipe
from .errors import BatchError, BatchStateError, TableError
from .places import PICTURES
from .rows import BatchRow, Checker, RawRow
from .sameness import differences, refusal, traits
from .state import NAME, State
from .tables import matrix, read_table
from .whereabouts import compare


@dataclass(frozen=True)
class Order:
    """What somebody wants made: a graph, the hosts, and rows from a table or a matrix (`name=value,value`).

    `settings` hold for every row that does not set them itself, as do `photos`. `allow_differences` lets hosts differ
    in their versions and nodes.
    """

    graph: Path
    hosts: Sequence[str]
    table: Path | None = None
    matrix: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    photos: Sequence[Path] = ()
    allow_differences: bool = False


def begin(order: Order, folder: Path, say: Callable[[str], None] = lambda text: None) -> State:
    """Check everything, and write the state of a new batch into `folder`; nothing is queued.

    `say` hears of hosts that do not answer now, and of every row that cannot be used. Raises TableError, BatchError,
    PromptError, GraphError, AddressError, BatchStateError, OutputError.
    """
    if bool(order.table) == bool(order.matrix):
        raise TableError("A batch takes its rows from a table, or from --matrix: give one of the two")
    if (folder / NAME).exists():
        State.open(folder).close()  # a damaged one is said to be damaged
        raise BatchStateError(f"There is a batch in {folder.name!r} already: resume it, or choose another --out")
    recipe, choices, common, hosts = _agreed(order, say)
    checker = Checker(
        recipe.names(),
        recipe.accept,
        {name: frozenset(offered) for name, offered in choices.items()},
        order.settings,
        tuple(str(photo.resolve()) for photo in order.photos),
        order.table.parent if order.table else Path(),
    )
    rows = matrix(order.matrix, choices) if order.table is None else read_table(order.table, checker.check_names)
    output.prepare(folder)
    if (folder / PICTURES).is_dir() and any((folder / PICTURES).iterdir()):
        raise BatchError(f"The folder {folder.name!r} holds pictures of another batch: choose another --out")
    copy = f"graph{order.graph.suffix.lower() or '.json'}"
    content = _content(order.graph)
    name = recipe.name or order.graph.stem
    facts = {
        "id": uuid.uuid4().hex,
        "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "graph": copy,
        "graph_name": name,
        "graph_sha256": hashlib.sha256(content).hexdigest(),
        "hosts": json.dumps(list(order.hosts)),
        "traits": json.dumps(common),
        "subjects": json.dumps(sorted(recipe.subjects()), ensure_ascii=False),
    }
    named: set[str] = set()

    def rows_and_subjects() -> Iterator[dict[str, Any]]:
        yield from _stored(checker, rows, recipe, named)
        if common:  # differences are not allowed
            hashes.update(compare(named, hosts, say))

    hashes: dict[str, str] = {}
    try:
        disk.write(folder / copy, content)
    except OSError as error:
        raise BatchError(f"The folder {folder.name!r} cannot be written ({error.strerror or error})") from error
    try:
        state = State.create(folder / NAME, facts, rows_and_subjects())
    except PortraitError:
        (folder / copy).unlink(missing_ok=True)
        for complaint in checker.complaints:
            say(complaint)
        if checker.wrong > len(checker.complaints):
            say(f"... and {checker.wrong - len(checker.complaints)} more")
        raise
    state.note({"subject_hashes": json.dumps(hashes, ensure_ascii=False)})
    return state


def _stored(checker: Checker, rows: Iterator[RawRow], recipe: Recipe, named: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the good rows as the state stores them; the first is also built, which finds what is wrong with all.

    `named` becomes the subjects that the rows name.
    """
    settings = recipe.subject_settings()
    for number, row in enumerate(checker.good(rows)):
        if number == 0:
            made = recipe.job(row.settings, (lambda: [f"{build.UPLOADS}/photo.png"]) if row.photos else None)
            named.update(origins.subjects_of(made.prompt))
        needs = {str(row.settings.get(name, default)) for name, default in settings.items()} - {origins.NO_SUBJECT}
        named |= needs
        yield row.data() | ({"subjects": sorted(needs)} if needs else {})


def _content(graph: Path) -> bytes:
    try:
        return reading.read(graph, "graph")
    except reading.ReadError as error:
        raise TableError(f"The graph {shown(graph.name)} cannot be read ({error}): {advice(graph)}") from error


def _agreed(
    order: Order, say: Callable[[str], None]
) -> tuple[Recipe, dict[str, list[str]], dict[str, str], dict[str, frozenset[str]]]:
    """Ask every host what it is and has.

    Returns the graph made ready, what all of them offer for each choice (of subjects: any of them, since a subject can
    be brought), the traits that a host of this batch must have (none when differences are allowed), and the subjects of
    each host. Raises DifferentHostError when hosts differ in what decides how a picture looks, AddressError when none
    answers.
    """
    found: list[tuple[HostInfo, Recipe]] = []
    silent: AddressError | HostError | None = None
    for url in order.hosts:
        try:
            with Client(url, timeout=10.0) as client:
                found.append((client.about(), read_recipe(client, order.graph)))
        except (AddressError, HostError) as error:
            silent = error
            if len(order.hosts) > 1:
                say(f"{error}; the batch begins without it and looks again from time to time")
    if not found:
        assert silent is not None
        raise silent
    first, recipe = found[0]
    common = traits(first, recipe)
    for other, its in found[1:]:
        unlike = differences(first.url, common, other.url, traits(other, its))
        if unlike and not order.allow_differences:
            raise refusal(unlike)
        for one in unlike:
            say(f"{one}; pictures may depend on where they are made")
    hosts = {host.url: its.subjects() for host, its in found}
    anywhere = frozenset().union(*hosts.values())
    recipe = recipe.with_subjects(anywhere)
    offers = [its.with_subjects(anywhere).choices() for _, its in found]
    shared = {
        name: [one for one in values if all(one in other.get(name, values) for other in offers)]
        for name, values in offers[0].items()
    }
    return recipe, shared, {} if order.allow_differences else common, hosts


def stored_rows(state: State) -> Iterator[tuple[int, str, BatchRow]]:
    """Yield (number, state, row) of every row of a batch, in order."""
    for number, how, text in state.query("SELECT number, state, settings FROM rows ORDER BY number"):
        yield number, how, BatchRow.of(json.loads(text))
