"""The studio as two servers, each in a process of its own: the API beside a real host, and the pages before it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator

import httpx
import pytest

from portrait_studio.portrait import provenance, subjects
from portrait_studio.portrait.places import ROOT
from portrait_studio.service.settings import StudioSettings, now
from portrait_studio.service.storage import PersonRow, PhotoRow, StudioDatabase
from portrait_studio.service.words import consent
from portrait_studio.service.work import poses, tones

from ..ports import held_port
from ..runner.command import invoke, one_sentence
from .conftest import PASSWORD
from .killing import kills
from .processes import AWAY, Served

EXAMPLES = sorted((ROOT / "pocket" / "subjects" / "nora").glob("*.jpg"))[:6]

pytestmark = pytest.mark.timeout(900)  # a host and two servers start first, each in 15 s where others work too


def new_token(folder, *arguments: str) -> str:
    """The secret of a token that the command makes, beside the server that runs."""
    answer = invoke("token", *arguments, "--folder", folder)
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout.strip()


class Browser(httpx.Client):
    """Somebody at the pages, form by form."""

    def csrf(self) -> str:
        return re.search(r'name="csrf" value="([^"]+)"', self.get("/people").text)[1]

    def fill(self, path: str, files=None, **fields) -> str:
        """Send a form; return where it leads."""
        answer = self.post(path, data={"csrf": self.csrf(), **fields}, files=files)
        assert answer.status_code in (200, 303), answer.text
        return answer.headers.get("location", "")

    def until(self, path: str, pattern: str, seconds: float = 600.0) -> str:
        """Return the page when it shows a pattern."""
        end = time.monotonic() + seconds
        while not re.search(pattern, text := self.get(path).text):
            assert time.monotonic() < end, text
            time.sleep(0.5)
        return text


@pytest.fixture
def two(tmp_path):
    """Start an API with a host and the pages before it: `two(host)` returns both; they are killed afterwards."""
    running: list[Served] = []
    with held_port() as port, held_port() as front_port:

        def api(host: str) -> Served:
            given = (
                "--api",
                "--folder",
                tmp_path / "web",
                "--host",
                host,
                "--address",
                f"http://127.0.0.1:{front_port}",
            )
            running.append(Served(tmp_path / "api.log", port, *given, path="/api/v1/openapi.json"))
            return running[-1]

        def front(url: str, token: str) -> Served:
            given = ("--front", "--api", url, "--folder", tmp_path / "nothing")
            running.append(Served(tmp_path / "front.log", front_port, *given, PORTRAIT_STUDIO_TOKEN=token))
            return running[-1]

        def start(host: str) -> tuple[Served, Served]:
            beside = api(host)
            return beside, front(beside.address, new_token(tmp_path / "web", "pages", "--front"))

        start.api = api
        yield start
        for one in running:
            one.kill()


@contextlib.contextmanager
def entered(api: Served, front: Served) -> Iterator[Browser]:
    with Browser(base_url=front.address, timeout=120) as browser:
        made = browser.post(api.link(), data={"name": "olivia", "password": PASSWORD})
        assert made.headers["location"] == "/people", made.text
        yield browser


def new_person(browser: Browser) -> str:
    given = {"name": "Nora", "class_word": "woman", "version": consent("en")["version"], "agreed": "yes"}
    return browser.fill("/people/new", **given).rpartition("/")[2]


@pytest.mark.host
def test_upload_report_job_picture_and_deletion_through_the_front(two, host, comfyui, tmp_path):
    api, front = two(host.url)
    assert front.address in api.said()
    with entered(api, front) as browser:
        person = new_person(browser)
        browser.fill(f"/people/{person}/photos", [("files", (one.name, one.read_bytes())) for one in EXAMPLES])
        page = browser.until(f"/people/{person}", 'id="photos" aria-live="polite">')  # no photo waits for a verdict
        assert page.count('class="accepted"') >= 5
        store = comfyui / "models" / "portrait_studio" / "subjects"
        name = f"studio-{person}"
        subjects.save(subjects.Subject(name, trigger="ohwx"), store)  # the face is known, so nobody trains here
        database = StudioDatabase(StudioSettings(tmp_path / "web").database_url)
        try:
            with database.session() as session:
                row = session.get_one(PersonRow, person)
                row.subject, row.trained = name, now()
            sitting = browser.fill(f"/people/{person}/looks", pose=poses()[0], tone=tones()[0])
            assert 'class="done"' in browser.until(sitting, 'class="(done|failed)"')
            gallery = browser.get(f"/people/{person}/gallery").text
            picture = re.search(r'href="(/pictures/[0-9a-f]{32})/file\?download=true"', gallery)[1]
            file = tmp_path / "portrait.png"
            file.write_bytes(browser.get(f"{picture}/file").content)
            assert provenance.show(file).by_a_model
            kept = tmp_path / "web" / "files"
            assert len(list((kept / "pictures").iterdir())) >= 1
            browser.fill(f"{picture}/delete")
            assert list((kept / "pictures").iterdir()) == []
            browser.fill(f"/people/{person}/delete")
            assert [one for one in kept.rglob("*") if one.is_file()] == []
            with database.session(reading=True) as session:
                assert session.get(PersonRow, person) is None
        finally:
            database.close()
            shutil.rmtree(store / name, ignore_errors=True)
    assert not (tmp_path / "nothing").exists()  # the front kept nothing


def test_while_the_api_is_away_the_pages_say_so_and_afterwards_everything_is_there(two, tmp_path):
    api, front = two(AWAY)
    with entered(api, front) as browser:
        person = new_person(browser)
        upload = [("files", ("a.jpg", EXAMPLES[0].read_bytes()))]
        browser.fill(f"/people/{person}/photos", upload)
        csrf = browser.csrf()
        api.kill()
        for answer in (
            browser.get("/people"),
            browser.post(f"/people/{person}/photos", data={"csrf": csrf}, files=upload),
            browser.post("/sign-in", data={"name": "olivia", "password": PASSWORD}),
        ):
            assert answer.status_code == 503
            assert "other server does not answer" in answer.text
        two.api(AWAY)
        assert "Nora" in browser.get("/people").text
    database = StudioDatabase(StudioSettings(tmp_path / "web").database_url)
    with database.session(reading=True) as session:
        assert len(session.query(PhotoRow).all()) == 1
    database.close()


def test_a_front_whose_token_was_ended_signs_nobody_in(two, tmp_path):
    api, front = two(AWAY)
    with entered(api, front) as browser:
        new_token(tmp_path / "web", "pages", "--front", "--end")
        assert browser.get("/people").headers["location"] == "/sign-in"
        assert browser.post("/sign-in", data={"name": "olivia", "password": PASSWORD}).status_code == 401


def test_a_front_starts_with_a_fronts_token_alone(two, tmp_path):
    api, front = two(AWAY)
    with entered(api, front):
        pass
    persons = [new_token(tmp_path / "web", "x", "--account", "olivia", "--scope", one) for one in ("read", "delete")]
    for token in ("pst_guess", "", "two words", *persons):
        (tmp_path / "token").write_text(token)
        answer = invoke("serve", "--front", "--api", api.address, "--token", tmp_path / "token", "--port", "1")
        assert answer.exit_code != 0
        assert one_sentence(answer.stderr)
        assert "token" in answer.stderr


@pytest.mark.parametrize(
    "url", ["http://gpu.example:8300", "gpu:8300", "https://", "https://a:b@gpu", "ftp://127.0.0.1"]
)
def test_no_photo_travels_to_an_api_in_the_open(url, monkeypatch):
    monkeypatch.setenv("PORTRAIT_STUDIO_TOKEN", "pst_x")
    answer = invoke("serve", "--front", "--api", url)
    assert answer.exit_code == 1
    assert one_sentence(answer.stderr)
    assert "https://" in answer.stderr


def test_kills_lose_and_double_nothing_and_give_nothing_to_another(tmp_path):
    told = kills(4, tmp_path, seed=2)
    assert told["wrong"] == []
    assert min(told["done"].values()) > 0
