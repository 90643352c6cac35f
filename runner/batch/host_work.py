"""One host at work for a batch: a thread that does what the scheduler asks, and one that listens to the websocket."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from ...portrait import disk
from ..client import Client, HostInfo, Outcome, messages, read_outcome
from ..jobs import (
    Job,
    Recipe,
    describe,
    fetch,
    noticed,
    origins,
    output,
    read_recipe,
    sealed,
    stage_table,
    upload_photos,
    wanted_files,
)
from ..scheduling import Fault, Request, Signal
from ..scheduling import messages as m
from .faults import fault_of, verdict
from .news import Reporter
from .places import Places
from .rows import BatchRow
from .sameness import differences, refusal, traits
from .state import KeptFile
from .whereabouts import Whereabouts

HEARD_EVERY = 1.0  # seconds between two signals about a prompt that only moves
DEAF = 300.0  # seconds of silence after which the websocket is opened again, in case the host has forgotten it
REMEMBERED = 64  # jobs whose prompts are kept for their records; any other is built again

Task = tuple[Request, BatchRow | None]


class HostWorker:
    """Does the requests for one host, one at a time, and puts the answers into `inbox`."""

    def __init__(
        self,
        url: str,
        graph: Path,
        name: str,
        places: Places,
        inbox: Callable[[Signal], None],
        common: Mapping[str, str] | None = None,
        whereabouts: Whereabouts | None = None,
        tell: Reporter = lambda news: None,
        timeout: float = 30.0,
    ) -> None:
        """Remember what to do; `common` are the traits that the host must have, see sameness.py.

        `whereabouts` is shared by the workers of all hosts; `tell` hears of subjects that were brought here.
        """
        self.url = url
        self.whereabouts, self.tell = whereabouts or Whereabouts(), tell
        self.common = common or {}
        self.graph, self.name = graph, name
        self.places, self.inbox = places, inbox
        self.client = Client(url, timeout=timeout, patience=0.0)
        self.ours: set[str] = set()  # prompt ids that may move on the host
        self.closed = threading.Event()
        self._requests: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._recipe: Recipe | None = None
        self._has: frozenset[str] = frozenset()  # the host's subjects
        self._about: HostInfo | None = None
        self._uploaded: dict[str, str] = {}
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._outcomes: dict[str, Outcome] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"work {url}", daemon=True),
            threading.Thread(target=self._listen, name=f"listen {url}", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads."""
        for one in self._threads:
            one.start()

    def ask(self, request: Request, row: BatchRow | None) -> None:
        """Have a request done; `row` is the row of a `Post` or `Collect`."""
        self._requests.put((request, row))

    def close(self, patience: float = 2.0) -> None:
        """End both threads; a request under way is not waited for longer than `patience` seconds."""
        self.closed.set()
        self._requests.put(None)
        end = time.monotonic() + patience
        for one in self._threads:
            if one.is_alive():
                one.join(max(0.0, end - time.monotonic()))
        self.client.close()

    # --- Requests ----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (asked := self._requests.get()) is not None:
            request, row = asked
            try:
                answer = self._do(request, row)
            except Exception as error:  # whatever it is, the scheduler has to hear of it, or the host stands still
                fault = fault_of(error)
                if fault.kind in ("connection", "wrong"):
                    self._forget()
                answer = m.RequestFailed(request.host, request.serial, fault)
            if not self.closed.is_set():
                self.inbox(answer)

    def _do(self, request: Request, row: BatchRow | None) -> m.HostAnswer:
        name, serial = request.host, request.serial
        if isinstance(request, m.Look):
            return self._look(request)
        if isinstance(request, m.Post):
            assert row is not None
            job = self._job(row, request.prompt_id)
            self._bring(job)
            self.ours.add(request.prompt_id)
            self.client.post(job.prompt, request.prompt_id, job.workflow)
            return m.PostAccepted(name, serial)
        if isinstance(request, m.Collect):
            assert row is not None
            return self._collect(request, row)
        if isinstance(request, m.Withdraw):
            return m.Removed(name, serial, self.client.withdraw(request.prompt_id))
        if isinstance(request, m.Interrupt):
            gone = self.client.cancel(request.prompt_id)
            self.ours.discard(request.prompt_id)
            return m.Removed(name, serial, gone)
        self.client.free()
        return m.Freed(name, serial)

    def _look(self, request: m.Look) -> m.Seen:
        if self._recipe is None:
            self._prepare()
        running, pending = self.client.queue()
        ended: dict[str, Fault | None] = {}
        for prompt_id in request.prompts:
            if prompt_id in running or prompt_id in pending:
                continue
            entry = self.client.history(prompt_id)
            if entry is not None:
                outcome = read_outcome(prompt_id, entry)
                job = self._jobs.get(prompt_id)
                ended[prompt_id] = verdict(outcome, job.prompt if job else {})
                self.ours.discard(prompt_id)
                if outcome.state == "success":
                    self._outcomes[prompt_id] = outcome
        return m.Seen(request.host, request.serial, tuple(running), tuple(pending), ended, self._has)

    def _prepare(self) -> None:
        """Learn what the host is and what it has; again after it was away, since it may be another then."""
        self.client.ask_anew()
        self._about = self.client.about()
        recipe = read_recipe(self.client, self.graph, self.name)
        if self.common and (unlike := differences("the others", self.common, self.url, traits(self._about, recipe))):
            raise refusal(unlike)
        self._has = recipe.subjects()
        self.whereabouts.tell(self.url, self._has)
        # A job may name a subject that is elsewhere: it is brought before the job is posted.
        self._recipe = recipe.with_subjects(self.whereabouts.known())

    def _bring(self, job: Job) -> None:
        """Have the subjects brought that a job needs and the host lacks. Raises SubjectError, HostError."""
        for name in origins.subjects_of(job.prompt):
            if name not in self._has:
                self.tell(self.whereabouts.bring(name, self.url))
                self._has |= {name}
                self.whereabouts.tell(self.url, self._has)

    def _forget(self) -> None:
        self._recipe = None
        self._uploaded.clear()

    def _job(self, row: BatchRow, prompt_id: str) -> Job:
        if prompt_id not in self._jobs:
            if self._recipe is None:
                self._prepare()
            assert self._recipe is not None
            job = self._recipe.job(row.settings, (lambda: self._photos(row.photos)) if row.photos else None)
            self._jobs[prompt_id] = job
            while len(self._jobs) > REMEMBERED:
                self._jobs.popitem(last=False)
        return self._jobs[prompt_id]

    def _photos(self, photos: tuple[str, ...]) -> list[str]:
        """Upload photos, each once per host, whatever rows it is in."""
        new = [one for one in photos if one not in self._uploaded]
        self._uploaded.update(zip(new, upload_photos(self.client, [Path(one) for one in new]), strict=True))
        return [self._uploaded[one] for one in photos]

    # --- Pictures ----------------------------------------------------------------------------------------------------

    def _collect(self, request: m.Collect, row: BatchRow) -> m.HostAnswer:
        job, outcome = self._job(row, request.prompt_id), self._outcomes.get(request.prompt_id)
        if outcome is None:
            entry = self.client.history(request.prompt_id)
            if entry is None:
                missing = Fault("missing", "The host has forgotten the job before its pictures were fetched.")
                return m.RequestFailed(request.host, request.serial, missing)
            outcome = read_outcome(request.prompt_id, entry)
        for name, found in origins.told(outcome.outputs).subjects.items() if self.common else ():
            if len(found) == 1 and self.whereabouts.agreed(name, found[0]) != found[0]:
                other = Fault("wrong", f"The subject {name!r} is not the one here that the batch began with.")
                return m.RequestFailed(request.host, request.serial, other)
        wanted, left = wanted_files(job, outcome)
        beside = self.places.beside(request.row, request.attempt)
        beside.mkdir(exist_ok=True)
        here = fetch(self.client, wanted, beside, lambda event: None, request.prompt_id)
        if here.lost:
            return m.RequestFailed(request.host, request.serial, Fault("connection", here.lost))
        if here.missing or not here.files:
            why = "; ".join(here.missing) or "The job ended well and left no picture: does the graph save one?"
            return m.RequestFailed(request.host, request.serial, Fault("missing", why))
        names = _names(request.row, job, [(one.source.node, one.source.filename) for one in here.files])
        by_node = {one.source.node: name for one, name in zip(here.files, names, strict=True)}
        stages = stage_table(job.stages, outcome.outputs, outcome.seconds, by_node)
        told = noticed(outcome.outputs, stages, [*outcome.notes, *left])
        assert self._about is not None
        times = (datetime.fromtimestamp(outcome.began, timezone.utc), outcome.duration)
        common = describe(job, self._about, times, stages, told, False, outcome.outputs)
        common |= {"row": request.row, "attempt": request.attempt, "prompt_id": request.prompt_id}
        likeness = {row.file: row.likeness for row in stages}
        kept = []
        for place, (one, name) in enumerate(zip(here.files, names, strict=True)):
            # Contents are on the disk before anything gets its name; the names in here may be lost with the power.
            words = sealed(common | one.facts(name))
            disk.write_in_place(beside / f"{place}.json", words)
            disk.sync(one.file)
            if one.file.name != str(place):
                one.file.replace(beside / str(place))
            stage = next((row.name for row in stages if row.file == name), "")
            size = (beside / str(place)).stat().st_size
            record_hash = hashlib.sha256(words).hexdigest()
            kept.append(KeptFile(place, name, one.sha256, size, record_hash, stage, likeness.get(name)))
        self._jobs.pop(request.prompt_id, None)
        self._outcomes.pop(request.prompt_id, None)
        return m.FilesFetched(request.host, request.serial, request.row, request.attempt, tuple(kept))

    # --- The websocket -----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Pass on what the host says of our prompts; nothing rests on it but how soon we look."""
        stream, last = self.client.stream, {}
        while not self.closed.is_set():
            with contextlib.suppress(Exception):  # a hint that cannot be read is ignored
                message = stream.receive(0.5)
                if stream.connected and stream.heard and time.monotonic() - stream.heard > DEAF:
                    stream.close()
                if message is None or message.prompt_id not in self.ours:
                    continue
                ended = isinstance(message, messages.Ended) or (
                    isinstance(message, messages.Executing) and message.node is None
                )
                now = time.monotonic()
                if ended or now - last.get(message.prompt_id, 0.0) > HEARD_EVERY:
                    last = {message.prompt_id: now}
                    self.inbox(m.Heard(self.url, message.prompt_id, ended))
        stream.close()


def _names(row: int, job: Job, files: list[tuple[str, str]]) -> list[str]:
    """Return the final names of a row's files: its number, and the stage where there are several."""
    stages = {stage.image: stage.name for stage in job.stages}
    names: list[str] = []
    for place, (node, filename) in enumerate(files, 1):
        ending = Path(output.safe_name(filename)).suffix.lower()
        label = stages.get(node) or str(place)
        name = f"{row:06d}{ending}" if len(files) == 1 else f"{row:06d}-{output.safe_name(label)}{ending}"
        names.append(name if name not in names else f"{row:06d}-{place}{ending}")
    return names
