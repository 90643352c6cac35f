"""A batch at work: the scheduler, the state and the hosts put together. The only loop there is."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..jobs import job_id
from ..scheduling import Action, Fault, Note, Policy, Request, Scheduler, Signal
from ..scheduling import messages as m
from .database import DiskFullError
from .errors import BatchStateError
from .faults import fault_of
from .host_work import HostWorker
from .news import AttemptFailed, HostChanged, News, Reporter, RowFailed, RowFinished, Tally
from .places import Places
from .rows import BatchRow
from .state import KeptFile, State
from .whereabouts import Whereabouts

TOGETHER = 256
"""Signals whose notes are written in one transaction."""
FULL = Fault("disk", "The disk is full: the batch stopped; free some space and resume")


class BatchRun:
    """Runs what is left of a batch on some hosts; call `run` once."""

    def __init__(
        self,
        folder: Path,
        state: State,
        hosts: Sequence[str],
        policy: Policy,
        reporter: Reporter = lambda news: None,
        tick: Callable[[Tally], None] = lambda tally: None,
    ) -> None:
        facts, counts = state.facts(), state.counts()
        self.state = state
        self.places = Places(folder, state)
        self.reporter, self.tick = reporter, tick
        self.tally = Tally(sum(counts.values()), counts["done"], counts["failed"], counts["cancelled"])
        self.inbox: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        graph = folder / facts["graph"]
        common = json.loads(facts.get("traits", "{}"))
        known = Whereabouts(*(json.loads(facts.get(key, "{}")) for key in ("subjects", "subject_hashes")))
        self.brought: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.workers = {
            url: HostWorker(
                url, graph, facts["graph_name"], self.places, self.inbox.put, common, known, self.brought.put
            )
            for url in hosts
        }
        self.scheduler = Scheduler(
            hosts, policy, lambda row, attempt: job_id(facts["id"], row, attempt), time.monotonic()
        )
        self.verdict: Fault | None = None
        self.over = False
        self._up: dict[str, bool] = dict.fromkeys(hosts, False)
        self._began: dict[tuple[int, int], tuple[str, float]] = {}
        self._rows: dict[int, BatchRow] = {}  # that are open here, so that the table is read once for each
        self._fetched: dict[tuple[int, int], Sequence[KeptFile]] = {}  # of attempts whose files are on their way

    def stop(self, fault: Fault, cancel: bool = True) -> None:
        """Stop the run, from any thread or signal handler: see `Stop`."""
        self.inbox.put(m.Stop(fault, cancel))

    def run(self) -> Fault | None:
        """Work until every row is done, set aside or cancelled; return why it stopped, if it stopped before that."""
        self.places.prepare()
        for worker in self.workers.values():
            worker.start()
        try:
            self._turn([None])
            while not self.over:
                self._turn(self._signals())
                self._tell_of_hosts()
                self.tick(self.tally)
        except DiskFullError:
            self.verdict = FULL
        except BatchStateError:
            raise
        except OSError as error:
            self.verdict = fault_of(error)
        finally:
            for worker in self.workers.values():
                worker.close()
        return self.verdict

    def _signals(self) -> list[Signal | None]:
        """Wait for something to happen, and return all that has."""
        try:
            found: list[Signal | None] = [self.inbox.get(timeout=min(1.0, self.scheduler.wake()))]
        except queue.Empty:
            return [None]
        while len(found) < TOGETHER and not self.inbox.empty():
            found.append(self.inbox.get())
        return found

    def _turn(self, signals: Sequence[Signal | None]) -> None:
        """Take in some signals: decide, write all notes in one transaction, and then act."""
        waiting = list(signals)
        while waiting:
            notes: list[Note] = []
            actions: list[Action] = []
            for signal in waiting:
                decision = self.scheduler.step(signal, time.monotonic())
                notes += decision.notes
                actions += decision.actions
            self.state.write(notes)
            for note in notes:
                self._tell(note)
            waiting = self._act(actions)

    def _act(self, actions: Sequence[Action]) -> list[Signal | None]:
        """Carry out what was decided; return the signals of what was done at once."""
        found: list[Signal | None] = []
        kept = False
        for action in actions:
            if isinstance(action, Request):
                self.workers[action.host].ask(action, self._row(action))
            elif isinstance(action, m.Load):
                found.append(self.state.load(action.count, action.after))
            elif isinstance(action, m.Keep):
                fetched = self._fetched.get((action.row, action.attempt), ())
                fault = self.places.keep(action.row, action.attempt, fetched)
                kept = True
                found.append(
                    m.NotKept(action.row, action.attempt, fault) if fault else m.Kept(action.row, action.attempt)
                )
            elif isinstance(action, m.Discard):
                self.places.discard(action.row, action.attempt)
            elif isinstance(action, m.Finish):
                self.verdict, self.over = action.fault, True
        if kept:
            self.places.settle()
        return found

    def _row(self, request: Request) -> BatchRow | None:
        if isinstance(request, m.Post | m.Collect):
            if request.row not in self._rows:
                self._rows[request.row] = BatchRow.of(self.state.settings(request.row))
            return self._rows[request.row]
        return None

    def _tell(self, note: Note) -> None:
        """Let the operator hear of what was just written."""
        news = None
        if isinstance(note, m.AttemptOpened):
            self._began[note.row, note.attempt] = (note.host, time.monotonic())
        elif isinstance(note, m.AttemptSaving):
            self._fetched[note.row, note.attempt] = note.files
        elif isinstance(note, m.RowDone):
            self._rows.pop(note.row, None)
            files = self._fetched.pop((note.row, note.attempt), ()) or self.state.files(note.row, note.attempt)
            host, began = self._began.pop((note.row, note.attempt), ("", time.monotonic()))
            last = next((one.likeness for one in reversed(files) if one.likeness is not None), None)
            names = tuple(one.name for one in files)
            news = RowFinished(note.row, host, names, round(time.monotonic() - began, 3), last)
        elif isinstance(note, m.AttemptClosed):
            self._fetched.pop((note.row, note.attempt), None)
            host, _ = self._began.pop((note.row, note.attempt), ("", 0.0))
            if note.fault is not None:
                news = AttemptFailed(note.row, note.attempt, host, note.fault.kind, note.fault.message)
        elif isinstance(note, m.RowSetAside):
            self._rows.pop(note.row, None)
            news = RowFailed(note.row, note.fault.kind, note.fault.message)
        if news is not None:
            self.tally(news)
            self.reporter(news)

    def _tell_of_hosts(self) -> None:
        while not self.brought.empty():
            self.reporter(self.brought.get())
        self.tally.hosts = self.scheduler.views()
        for view in self.tally.hosts:
            if view.up != self._up[view.name]:
                self._up[view.name] = view.up
                self.reporter(HostChanged(view.name, view.up, view.reason))
