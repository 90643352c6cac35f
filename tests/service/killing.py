"""Kill the studio at seeded moments while two people use it, and look whether everything is there, once, and theirs.

    python -m tests.service.killing 100      # kills; the result goes to benchmarks/results/service_kills.json

Every request is sent until it is answered, with the same key, as a client does; between two kills the studio runs for
up to two seconds. Its host is away, so jobs wait; what a host does meanwhile is not tried here.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from portrait_studio.portrait.places import ROOT
from portrait_studio.service.client import StudioClient
from portrait_studio.service.errors import StudioError
from portrait_studio.service.settings import StudioSettings
from portrait_studio.service.shapes import ConsentGiven, NewSession, NewSubject
from portrait_studio.service.storage import PersonRow
from portrait_studio.service.work import OwnHosts, Studio, poses, tones

from ..ports import held_port
from .conftest import new_account, photo
from .processes import AWAY, Served
from .test_client import token_of

LATER = ("api_away", "database_away", "too_many_requests", "no_photos", "still_looking", "too_few_photos")
"""Refusals that end by themselves."""
LONGEST = 2.0
"""Seconds from when the studio answers to its end, at most."""


@dataclass
class Person:
    """Somebody who uses the studio until told to stop, and what it has said to be done."""

    url: str
    token: str
    seed: int
    stopped: threading.Event = field(default_factory=threading.Event)
    photos: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    subject: str = ""

    def until_done(self, ask):
        """Ask until there is an answer."""
        while True:
            try:
                with StudioClient(self.url, self.token) as client:
                    return ask(client)
            except StudioError as error:
                if error.kind not in LATER:
                    raise
                time.sleep(0.1)

    def use(self) -> None:
        """Add photos and order sessions, again and again; old sessions are cancelled, so that more may wait."""
        consent = ConsentGiven(version=self.until_done(lambda client: client.show_consent()).version)
        wanted = NewSubject(name="Mina", consent=consent)
        self.subject = self.until_done(lambda client: client.add_subject(wanted, f"subject {self.seed}")).id
        number = 0
        while not self.stopped.is_set():
            number += 1
            if len(self.photos) < 40:
                content = photo(1000 * self.seed + number)
                (taken,) = self.until_done(lambda client, c=content: client.add_photos(self.subject, [("a.jpg", c)]))
                if taken.photo:  # otherwise it is there already, and the answer was lost
                    self.photos.add(taken.photo.id)
            looks = NewSession(poses=[poses()[0]], tones=[tones()[0]], seed=number)
            made = self.until_done(lambda client, n=number, w=looks: client.add_session(self.subject, w, f"order {n}"))
            self.sessions.add(made.id)
            self.until_done(lambda client, id=made.id: client.cancel_session(id))


def kills(count: int, folder: Path, seed: int = 1) -> dict[str, object]:
    """Kill a studio so often; return what was done and what was found wrong."""
    dice, wrong = random.Random(seed), []
    settings = StudioSettings(folder / "web")
    studio = Studio.opened(settings, OwnHosts())
    accounts = [new_account(studio, name) for name in ("anna", "bert")]
    with held_port() as port:
        people = [
            Person(f"http://127.0.0.1:{port}", token_of(studio, one), number) for number, one in enumerate(accounts, 1)
        ]
        users = [threading.Thread(target=one.use, daemon=True) for one in people]
        for kill in range(count + 1):
            served = Served(folder / "log", port, "--api", "--folder", folder / "web", "--host", AWAY, path="/api/v1/x")
            if not kill:
                for user in users:
                    user.start()
            if kill == count:
                break
            _know(studio)
            time.sleep(dice.uniform(0, LONGEST))
            served.kill()
        for one in people:
            one.stopped.set()
        for user in users:
            user.join(60)
        wrong += [f"a user is stuck ({one.seed})" for one, user in zip(people, users, strict=True) if user.is_alive()]
        for one, other in (people, people[::-1]):
            wrong += _wrong(one, other)
        served.kill()
    studio.close()
    told = {f"{what} of {one.seed}": len(getattr(one, what)) for one in people for what in ("photos", "sessions")}
    return {"kills": count, "seed": seed, "done": told, "wrong": wrong}


def _know(studio: Studio) -> None:
    """Have every face known, so that sessions may be ordered whatever the photos show."""
    with studio.database.session() as session:
        for row in session.scalars(select(PersonRow)):
            row.subject, row.trained = f"studio-{row.id}", studio.settings.clock()


def _wrong(one: Person, other: Person) -> list[str]:
    wrong = []
    with StudioClient(one.url, one.token) as client:
        kept = client.list_photos(one.subject)
        found = {photo.id for photo in kept}
        wrong += [f"photo lost: {id}" for id in one.photos - found]
        wrong += ["a photo is another's"] * bool(found & other.photos)
        contents = [client.photo_file(photo.id).read() for photo in kept]
        wrong += ["a photo is there twice"] * (len(set(contents)) != len(contents))
        sessions = client.list_sessions()  # the newest hundred
        wrong += ["a session is another's"] * any(session.id in other.sessions for session in sessions)
        seeds = [session.looks["seed"] for session in sessions]
        wrong += ["a session was ordered twice"] * (len(set(seeds)) != len(seeds))
        for id in one.sessions:
            try:
                client.show_session(id)
            except StudioError as error:
                wrong.append(f"session lost: {id} ({error.kind})")
        wrong += ["there are two subjects"] * (len(client.list_subjects()) != 1)
    return wrong


def main() -> None:
    """Kill so often as the first argument says, and keep the result."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        told = kills(int(sys.argv[1]), Path(folder))
    told["seconds"] = round(time.monotonic() - begun)
    text = json.dumps(told, indent=2) + "\n"
    (ROOT / "benchmarks" / "results" / "service_kills.json").write_text(text, "utf-8")
    sys.stdout.write(text)
    sys.exit(bool(told["wrong"]))


if __name__ == "__main__":
    main()
