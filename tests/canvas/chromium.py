"""A headless Chromium with a real ComfyUI frontend in it, driven over the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=320,240",
    "--remote-debugging-port=0",
)

# With a workflow of its own open: before, the frontend would open that over what a test opens.
READY = """!!(window.app?.vueAppReady && window.app?.graph && window.LiteGraph?.registered_node_types?.KSampler
  && window.app?.extensionManager?.workflow?.activeWorkflow)"""

# A picture's metadata is not wanted here, only what the queue button would post.
TO_API = """(async graph => {
  const said = [], log = console.error;
  console.error = (...words) => { said.push(words.map(String).join(" ")); log(...words); };
  try {
    await app.loadGraphData(graph, true, false, null,
                            {showMissingNodesDialog: false, showMissingModelsDialog: false});
    // The old Reroute node and image widgets settle in animation frames.
    for (let i = 0; i < 3; i++) await new Promise(done => setTimeout(done, 20));
    return JSON.stringify({output: (await app.graphToPrompt()).output, said});
  } catch (error) {
    return JSON.stringify({error: String(error), said});
  } finally { console.error = log; }
})(%s)"""


class CanvasError(RuntimeError):
    """The browser did not do what it was told."""


def find() -> str | None:
    """Return the path of a Chromium or Chrome on this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for found in map(shutil.which, names) if found), None)


class Canvas:
    """The ComfyUI frontend of `url`, or a page that is `ready` otherwise, in a headless browser; a context manager."""

    def __init__(self, url: str, browser: str, timeout: float = 90.0, ready: str = READY):
        self._profile = tempfile.TemporaryDirectory(prefix="canvas-", ignore_cleanup_errors=True)
        profile = Path(self._profile.name)
        with (profile / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [browser, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log
            )
        self._count = 0
        try:
            self._socket = websocket.create_connection(
                self._page_address(profile / "DevToolsActivePort", timeout), timeout=timeout, suppress_origin=True
            )
            self._call("Page.enable")
            self._call("Page.navigate", url=url)
            self._wait_for(ready, timeout)
        except BaseException:
            self.close()
            raise

    def _page_address(self, port_file: Path, timeout: float) -> str:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise CanvasError(f"the browser ended with exit code {self._process.returncode}")
            try:
                port = int(port_file.read_text().split()[0])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
                    pages = json.load(answer)
                return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
            except (OSError, ValueError, IndexError, StopIteration):
                time.sleep(0.1)
        raise CanvasError("the browser opened no debugging port")

    def _call(self, method: str, **params: Any) -> dict:
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise CanvasError(f"{method}: {answer['error']}")
                return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited when it is a promise."""
        answer = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise CanvasError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def _wait_for(self, condition: str, timeout: float) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.evaluate(condition):
                return
            time.sleep(0.25)
        raise CanvasError(f"the frontend did not reach: {condition}")

    def size(self, width: int, height: int) -> None:
        """Give the page this size in pixels, which the window's own border does not allow."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def click(self, x: float, y: float) -> None:
        """Move the mouse to a point of the page, and press and release its left button there."""
        for kind, button in (("mouseMoved", "none"), ("mousePressed", "left"), ("mouseReleased", "left")):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=int(button == "left"))

    def keep_dialogs_shut(self) -> None:
        """Ask for no file in a dialog of the system, which has no window here; `choose` gives the files instead."""
        self._call("Page.setInterceptFileChooserDialog", enabled=True)

    def choose(self, found: str, files: list[Path]) -> None:
        """Give files to an input, as the system's dialog does; `found` is an expression for the input."""
        given = self._call("Runtime.evaluate", expression=found)["result"]["objectId"]
        self._call("DOM.setFileInputFiles", files=list(map(str, files)), objectId=given)

    def screenshot(self) -> bytes:
        """Return the page as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def to_api(self, graph: dict) -> dict:
        """Load a UI graph as a dropped file is loaded and return {"output": prompt} or {"error": words}."""
        return json.loads(self.evaluate(TO_API % json.dumps(graph)))

    def close(self) -> None:
        """End the browser and remove its profile."""
        if socket := getattr(self, "_socket", None):
            socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def __enter__(self) -> Canvas:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def on_canvas(url: str, otherwise: str) -> Iterator[Canvas]:
    """Open the canvas of a host for as long as the block runs; without Chromium skip, saying what did not happen."""
    browser = find()
    if browser is None:
        pytest.skip(f"NO CHROMIUM HERE: {otherwise} (Debian: apt-get install chromium)")
    with Canvas(url, browser) as canvas:
        yield canvas
