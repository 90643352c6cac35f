"""The command line inside this process, and what counts as one sentence."""

from __future__ import annotations

from typer.testing import CliRunner

from portrait_studio.runner.commands.app import app


def invoke(*arguments: object):
    """Run `portrait-studio` with these arguments; the result has exit_code, stdout and stderr."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def one_sentence(text: str) -> bool:
    """Whether this is a single line that is no traceback, without so much as an empty line around it."""
    return (
        bool(text.strip()) and "Traceback" not in text and text.rstrip("\n") == text.strip() and text.count("\n") == 1
    )
