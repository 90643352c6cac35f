"""The worker: threads that judge photos, do jobs on hosts and remove what is past its time, until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from ...portrait.errors import PortraitError
from ..people import erase, purge
from .hosts import OwnHosts
from .judging import JudgeProcess, PhotoJudge, judge_waiting
from .running import claim, recover, work
from .studio import Studio

IDLE = 0.5
"""Seconds between two looks for work."""
AWAY = 10.0
"""Seconds to leave a host alone that did not answer."""
PURGE = 3600.0
"""Seconds between two purges."""


class Worker:
    """Start it once; `stop` waits for the threads, whose jobs go on on their hosts and are found again."""

    def __init__(
        self,
        studio: Studio,
        hosts: OwnHosts,
        scratch: Path,
        judge: PhotoJudge | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.studio, self.hosts, self.scratch, self.say = studio, hosts, scratch, say
        self._own_judge = JudgeProcess()
        self.judge = judge or self._own_judge
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what an earlier process left, and begin."""
        recover(self.studio)
        tasks = [self._judge, self._purge, *(self._host(url) for url in self.hosts.urls)]
        self._threads = [threading.Thread(target=self._forever, args=[task], daemon=True) for task in tasks]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop looking for work, and wait for what is under way for so many seconds at most."""
        self._stop.set()
        self._own_judge.close()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _forever(self, task: Callable[[], float]) -> None:
        """Do a task again and again; it returns how long to wait. What goes wrong is said, and tried again."""
        while not self._stop.is_set():
            try:
                pause = task()
            except (PortraitError, OSError) as error:
                if not self._stop.is_set():
                    self.say(f"The worker goes on after this: {error}")
                pause = AWAY
            self._stop.wait(pause)

    def _judge(self) -> float:
        return 0.0 if judge_waiting(self.studio, self.judge) else IDLE

    def _purge(self) -> float:
        settings = self.studio.settings
        with self.studio.database.session() as session:
            purge(session, self.studio.blobs, self.hosts, settings.days, settings.clock())
        erase(self.studio.database)
        return PURGE

    def _host(self, url: str) -> Callable[[], float]:
        def task() -> float:
            job = claim(self.studio)
            if not job:
                return IDLE
            answered = work(self.studio, url, job, self.scratch)
            if len(self.hosts.urls) == 1:
                self.hosts.tidy()
            return 0.0 if answered else AWAY

        return task
