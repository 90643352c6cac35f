"""The transcript that docs/runner.md begins with, run line by line."""

from __future__ import annotations

import re
import shlex
import shutil
from itertools import groupby
from pathlib import Path

import pytest

from portrait_studio.runner.commands import console
from portrait_studio.runner.demo import example_photos
from tests.runner.command import invoke

ROOT = Path(__file__).parents[3]
TRANSCRIPT = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "runner.md").read_text("utf-8"), re.DOTALL)[0]
ADDRESS = "http://127.0.0.1:8188"
VERSION = "0.3.75"  # of the ComfyUI that was asked when it was written
# The run as short as it can be: what it prints is the same.
SHORT = ("width=128", "height=128", "steps=1", "detail_steps=1", "upscale_denoise=0.1", "tone_steps=1")


def parts() -> list[tuple[str, list[str]]]:
    """Every command of the transcript, and what it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for is_command, lines in groupby(TRANSCRIPT.splitlines(), lambda line: line.startswith("$ ")):
        if is_command:
            found += [(line.removeprefix("$ "), []) for line in lines]
        else:
            found[-1][1].extend(lines)
    return found


def pattern(lines: list[str], address: str, version: str) -> str:
    """A regular expression for what is printed: `...` for any lines, or within a line; spaces as many as there are."""
    made = []
    for line in lines:
        if line == "...":
            made.append(r"(?:.*\n)*")
        else:
            words = line.replace(ADDRESS, address).replace(VERSION, version).split()
            made.append(r"\s*" + r"[ ]+".join(r".+" if word == "..." else re.escape(word) for word in words) + r"\s*\n")
    return "".join(made)


@pytest.mark.host
@pytest.mark.timeout(600)
def test_the_transcript_of_the_runner_is_what_it_prints(host, version, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.out, "width", 120)
    monkeypatch.setenv("PORTRAIT_STUDIO_HOST", host.url)
    for name, photo in zip(("anna1.jpg", "anna2.jpg"), example_photos("nora"), strict=False):
        shutil.copyfile(photo, name)
    ran = []
    for command, printed in parts():
        program, *arguments = shlex.split(command.replace(ADDRESS, host.url))
        if program == "pip":
            continue  # tests/test_door.py installs the wheel
        assert program == "portrait-studio"
        if arguments[0] == "run":
            arguments += [text for setting in SHORT for text in ("--set", setting)]
        answer = invoke(*arguments)
        assert answer.exit_code == 0, answer.output
        assert re.fullmatch(pattern(printed, host.url, version), answer.output), f"{command} printed {answer.output}"
        ran.append(arguments[0])
    assert ran == ["hosts", "graph", "check", "run"]
    assert list((tmp_path / "portraits").glob("*.png"))
