"""What a person reads of a job while it runs."""

from __future__ import annotations

import io

from portrait_studio.runner.client import events
from portrait_studio.runner.commands.display import Display
from portrait_studio.runner.commands.printable import PrintableConsole


def test_a_warning_names_a_photo_as_the_person_does_and_not_as_it_was_uploaded():
    written = io.StringIO()
    screen = PrintableConsole(file=written, force_terminal=False, width=200)
    one, other = "3f" * 16 + ".jpg", "a0" * 16 + ".png"
    with Display(screen) as display:
        display(events.PhotoUploaded(photo="garden.jpg", uploaded=f"portrait-studio/{one}"))
        display(events.PhotoUploaded(photo="[red]beach[/].png", uploaded=other))
        display(events.Warned(message=f"{one}: soft; {other} looks like {one}"))
    shown = written.getvalue()
    assert "! garden.jpg: soft; [red]beach[/].png looks like garden.jpg" in shown
    assert one not in shown
    assert other not in shown
