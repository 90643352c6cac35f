"""Where the seconds of one training on the pocket checkpoint go, part by part.

host_training.py and subject_time.py run it.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from in_host import BEGAN, loaded, say, waited

from portrait_studio.trainer.settings import load


class Sections:
    """Seconds that functions take, without those of other timed ones that they call."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._open: list[float] = []

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count what happens meanwhile under a name."""
        waited()
        began = time.perf_counter()
        self._open.append(0.0)
        try:
            yield
        finally:
            waited()
            whole = time.perf_counter() - began
            inner = self._open.pop()
            if self._open:
                self._open[-1] += whole
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - inner
            self.calls[name] = self.calls.get(name, 0) + 1

    def wrap(self, owner: Any, function: str, name: str) -> None:
        """Time every call of a function of a module or class."""
        plain: Callable[..., Any] = getattr(owner, function)

        @functools.wraps(plain)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.timed(name):
                return plain(*args, **kwargs)

        setattr(owner, function, timed)


def measure(job: dict[str, Any], dynamic: bool) -> None:
    """Train one of the ready people on the pocket checkpoint, and say where the seconds go."""
    import torch

    from portrait_studio.portrait import photos
    from portrait_studio.portrait.report import Limits
    from portrait_studio.trainer import (
        class_images,
        curves,
        files,
        fusion,
        judge,
        loop,
        native,
        photo_set,
        run,
        session,
        state,
        training_data,
    )

    sections = Sections()
    sections.wrap(native.NativeModel, "sample", "sampling for class images and judging")
    sections.wrap(native.NativeModel, "__init__", "copies of UNet and text encoder")
    sections.wrap(native.NativeModel, "encode", "latents")
    sections.wrap(native.NativeModel, "encode_text", "words")
    sections.wrap(judge, "judge", "judging: faces and likeness")
    sections.wrap(class_images, "made", "class images: everything else")
    sections.wrap(files, "save_picture", "pictures written")
    sections.wrap(state, "save", "state written")
    sections.wrap(state, "save_tensors", "checkpoints written")
    sections.wrap(files, "publish", "subject published")
    sections.wrap(training_data.TrainingData, "__init__", "trainee: everything else")
    sections.wrap(training_data.TrainingData, "held_out_loss", "loss on held-out photos")
    sections.wrap(fusion, "fuse", "fusion")
    sections.wrap(session.Session, "_reported", "likeness report")
    sections.wrap(curves, "draw", "curves")
    advance, firsts = loop.Training.advance, [0]

    def stepped(self: Any) -> None:
        firsts[0] += 1
        with sections.timed(
            "first step" if firsts[0] == 1 else "steps 2 and 3" if firsts[0] < 4 else "all other steps"
        ):
            advance(self)

    loop.Training.advance = stepped
    began = time.perf_counter()
    with sections.timed("checkpoint loaded"):
        model, clip, vae = loaded(job["files"]["pocket"])
    people = Path(job["people"])
    paths = photos.list_folder(people.parent, people.name)
    with sections.timed("photos decoded"):
        read = list(photos.read_all(paths))
    with sections.timed("photo report, crops, captions"):
        limits = Limits(same_person=0.67)
        given = photo_set.prepare(
            read, [path.name for path in paths], photo_set.PhotoSetOptions("ohwx", "woman", limits)
        )
    chosen = load(job.get("preset", "pocket")).scaled(job.get("changes", {}))
    if job["small"]:
        chosen = chosen.with_changes(
            {"steps": 6, "sample_every": 3, "class_images": 2, "samples": 2, "sample_steps": 2}
        )
    with torch.inference_mode(False), torch.enable_grad(), sections.timed("everything else"):
        trained = native.NativeModel(
            model, clip, vae, chosen.precision, chosen.text_encoder_rate > 0, chosen.convolutions
        )
        done = run.train(trained, given, run.TrainingJob("speed", chosen), Path(job["work"]) / "subjects")
        trained.close()
    rows = sorted(sections.seconds.items(), key=lambda row: -row[1])
    say(
        seconds={name: round(value, 2) for name, value in rows},
        calls=sections.calls,
        whole=round(time.perf_counter() - began, 2),
        process_to_here=round(began - BEGAN, 2),
        likeness=[round(score.likeness, 4) for score in done.scores],
        settings={name: getattr(chosen, name) for name in ("steps", "batch", "resolution", "samples", "class_images")},
        dynamic=dynamic,
    )
