"""The pages in a real browser, on a phone and on a desktop: usable without a mouse, and nothing from elsewhere."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import axe_core_python
import pytest
from sqlalchemy import select

from portrait_studio.portrait.places import ROOT
from portrait_studio.service.accounts import first_link
from portrait_studio.service.api import make_app
from portrait_studio.service.pages import add_pages
from portrait_studio.service.storage import SAMPLE, JobRow, PictureRow, new_id
from portrait_studio.service.work import OwnHosts, Worker

from ..canvas.chromium import Canvas, find
from .conftest import PASSWORD, photo, serving

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8")
EXAMPLES = sorted((ROOT / "pocket" / "subjects" / "nora").glob("*.jpg"))[:6]
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
WATCH = """window.refused = []; document.addEventListener("securitypolicyviolation",
  (event) => refused.push(event.violatedDirective + " " + event.blockedURI))"""

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")


class StudioBrowser(Canvas):
    """A browser at the studio's pages."""

    def __init__(self, address: str) -> None:
        super().__init__("about:blank", str(find()), ready="true")
        self.address = address
        self._call("DOM.enable")
        self._call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def go(self, path: str) -> None:
        self._call("Page.navigate", url=self.address + path)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait(self, condition: str, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):  # a page that is being left
                if self.evaluate(condition):
                    return
            time.sleep(0.2)
        raise AssertionError(f"not reached: {condition}; the page says {self.evaluate('document.body.innerText')}")

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.evaluate(f"document.querySelector('main [name={name}]').value = {json.dumps(value)}")

    def press(self, selector: str, there: str) -> None:
        """Press a button by the keyboard, and wait for the path that it leads to."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
            )
        self.wait(f"new RegExp({json.dumps(there)}).test(location.pathname) && document.readyState === 'complete'")

    def choose(self, selector: str, files: list[Path]) -> None:
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def complaints(self) -> list[str]:
        """What axe finds serious, what the policy refused, what came from elsewhere, whether the page is too wide."""
        self.evaluate(AXE + "; true")
        found = self.evaluate(
            "axe.run().then((told) => told.violations.filter((one) => ['serious', 'critical'].includes(one.impact))"
            ".map((one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' ')))"
        )
        found += self.evaluate("refused")
        loaded = self.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
        found += [name for name in loaded if not name.startswith(self.address)]
        if self.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("the page is wider than the screen")
        return found


@pytest.fixture
def served(studio):
    """The studio on a port of its own, with a worker that judges photos and has no host."""
    app = make_app(studio)
    add_pages(app)
    worker = Worker(studio, OwnHosts(), studio.settings.folder / "work")
    with serving(app) as address:
        worker.start()
        yield address
        worker.stop()


@pytest.mark.parametrize("screen", SIZES)
def test_a_newcomer_comes_from_the_first_link_to_a_gallery_by_keyboard(served, studio, screen, tmp_path):
    with studio.database.session() as session:
        secret = first_link(session, studio.settings.clock())
    with StudioBrowser(served) as browser:
        browser.size(*SIZES[screen])

        def look(name: str) -> None:
            (tmp_path / f"{screen}-{name}.png").write_bytes(browser.screenshot())
            assert browser.complaints() == [], name

        browser.go(f"/welcome/{secret}")
        look("welcome")
        browser.fill(name="olivia", password=PASSWORD)
        browser.press("main button", "^/people$")
        look("people")
        browser.go("/people/new")
        look("consent")
        browser.fill(name="Nora")
        browser.evaluate("document.querySelector('[name=agreed]').checked = true")
        browser.press("main form button", "^/people/[0-9a-f]{32}$")
        browser.choose("#files", EXAMPLES)
        browser.wait("document.querySelectorAll('#photos li').length === 6")
        browser.wait("document.querySelectorAll('#photos li.waiting').length === 0", 240)
        browser.wait("[...document.images].filter((one) => one.loading !== 'lazy').every((one) => one.complete)")
        look("photos")
        person = browser.evaluate("location.pathname.split('/')[2]")
        browser.press("#photos a.button", "/looks$")
        look("looks")
        browser.press("main form button", "^/sessions/")
        look("progress")
        _learn(studio, person)
        browser.wait("document.querySelectorAll('.curve polyline').length === 1")
        browser.wait("document.querySelector('.learning img').complete")
        assert "about 2 min left" in browser.evaluate("document.querySelector('#jobs').innerText")
        browser.wait("document.querySelector('#says').innerText === '0 of 2 done'")
        look("learning")
        _draw(studio, person)
        browser.go(f"/people/{person}/gallery")
        look("gallery")
        source = "document.querySelector('figure img').src"
        last = browser.evaluate(source)
        browser.evaluate("document.querySelector('.slider').value = 0")
        browser.evaluate("document.querySelector('.slider').dispatchEvent(new Event('input'))")
        assert browser.evaluate(source) != last
        for page in ("my-data", "operator"):
            browser.go(f"/{page}")
            look(page)


def _learn(studio, person: str) -> None:
    """A training half-way, as its host would have told of it."""
    with studio.database.session() as session:
        job = session.scalars(select(JobRow).where(JobRow.person_id == person, JobRow.kind == "train")).one()
        job.state, job.progress, job.started = "running", 0.5, studio.settings.clock()
        job.told = {"left": 110, "curve": [[0, 0.12], [20, 0.3], [40, 0.47], [60, 0.44]]}
        session.add(_picture(studio, job, photo(9, (512, 256)), SAMPLE, 0))


def _draw(studio, person: str) -> None:
    """A portrait of two stages, as a host would have made it."""
    with studio.database.session() as session:
        job = session.scalars(select(JobRow).where(JobRow.person_id == person, JobRow.kind == "draw")).first()
        for number, stage in enumerate(("text-to-image", "upscale")):
            session.add(_picture(studio, job, photo(number), stage, number))


def _picture(studio, job: JobRow, content: bytes, stage: str, place: int) -> PictureRow:
    return PictureRow(
        owner_id=job.owner_id, person_id=job.person_id, job_id=job.id, sha256=new_id(), stage=stage, place=place,
        likeness=0.5, blob=studio.blobs.put("pictures", content), size=9, media_type="image/jpeg",
        created=studio.settings.clock(),
    )  # fmt: skip
