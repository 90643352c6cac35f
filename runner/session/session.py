"""A session step by step: the report, the training, the portraits as a batch, the sheet."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from ...portrait import decoding, disk
from ...portrait.photos import PhotoError
from ..batch import NAME as BATCH
from ..batch import Order, State, begin
from ..client import Client, events
from ..graph import located
from ..jobs import PartialError, Result, build, job_id, run, upload_photos
from .errors import ConsentError, SessionError
from .judging import REPORT, Verdicts, read_verdicts
from .order import SessionOrder, Wish, resolve, tuples
from .papers import PORTRAITS, write_papers
from .state import NAME, SessionState

JUDGED, TRAINED = "photo-report", "training"  # also the folders of what they leave


@dataclass(frozen=True)
class SessionTraining:
    """What the training came to: likeness without and with the subject (a mean cosine, or None), and its pictures."""

    seconds: float
    before: float | None
    after: float | None
    pictures: tuple[str, ...]
    warnings: tuple[str, ...]


class PortraitSession:
    """A session in a folder of its own; call the steps in their order, each as often as you like."""

    def __init__(self, folder: Path, state: SessionState, photos: Mapping[str, Path]) -> None:
        self.folder, self.state = folder, state
        self.photos = photos
        self.order = SessionOrder.of(state.fact("order"))
        self.id = str(state.fact("id"))

    @classmethod
    def begun(cls, wish: Wish, photos: Mapping[str, Path], folder: Path, client: Client) -> PortraitSession:
        """Begin a session, or go on with the one in the folder if it is the same; `photos` are by their sha256.

        Raises SessionError when the folder has another session, or the wish cannot be met; BatchStateError.
        """
        if (folder / NAME).exists():
            state = SessionState.open(folder)
            changed = wish.differences(state.fact("wish"))
            if changed:
                state.close()
                raise SessionError(
                    f"There is another session in {folder.name!r} (it differs in {', '.join(changed)}): go on with it "
                    "by --resume, or choose another --out"
                )
            return cls(folder, state, photos)
        order = resolve(wish, client)
        facts = {
            "id": uuid.uuid4().hex,
            "begun": _now(),
            "wish": wish.as_dict(),
            "order": order.as_dict(),
            "photos": {sha256: str(path) for sha256, path in photos.items()},
        }
        return cls(folder, SessionState.create(folder, facts), photos)

    @classmethod
    def resumed(cls, folder: Path) -> PortraitSession:
        """Go on with the session in a folder.

        Raises BatchStateError, and PhotoError when a photo that is still needed is gone or another.
        """
        state = SessionState.open(folder)
        photos = {sha256: Path(path) for sha256, path in state.fact("photos").items()}
        try:
            if state.fact(TRAINED) is None:
                _refuse_changed(photos)
        except PhotoError:
            state.close()
            raise
        return cls(folder, state, photos)

    def close(self) -> None:
        """Close the state."""
        self.state.close()

    def judge(self, client: Client, listener: events.Listener = lambda event: None) -> Verdicts:
        """Have the photos judged, once; raises PhotosUnfitError when they will not do, and what a job raises."""
        told = self.state.fact(JUDGED)
        if told is None:
            result, uploaded = self._job(JUDGED, located(Path(REPORT)), {}, list(self.photos), client, listener)
            files = {
                Path(name).stem: (path.name, sha256)
                for name, (sha256, path) in zip(uploaded, self.photos.items(), strict=True)
            }
            found = read_verdicts(result.outputs, files)
            told = found.as_dict() | {"sheet": result.images[0].file.name if result.images else ""}
            self.state.done(JUDGED, told)
        verdicts = Verdicts.of(told)
        verdicts.insist()
        return verdicts

    def agree(self, said: bool) -> None:
        """Note that the person in the photos agrees, once. Raises ConsentError when nobody says so."""
        if self.state.fact("consent") is None:
            if not said:
                raise ConsentError(
                    "Nothing was trained, since nobody said that the person in the photos agrees: answer y, or give "
                    "--consent"
                )
            self.state.done("consent", _now())

    @property
    def agreed(self) -> bool:
        """Whether that was said, in this run or an earlier one."""
        return self.order.trained or self.state.fact("consent") is not None

    def train(self, client: Client, listener: events.Listener = lambda event: None) -> SessionTraining | None:
        """Train the subject, once; None when it is used as it is. Raises ConsentError, and what a job raises."""
        if self.order.trained:
            return None
        told = self.state.fact(TRAINED)
        if told is None:
            self.agree(False)
            accepted = [one.sha256 for one in self.judge(client, listener).accepted]
            trainer = Path(self.order.trainer)
            result, _ = self._job(TRAINED, trainer, self.order.training, accepted, client, listener)
            likeness = {one.name: one.likeness for one in result.stages}
            files = tuple(image.file.name for image in result.images)
            made = SessionTraining(
                result.seconds, likeness.get("before"), likeness.get("after"), files, tuple(result.warnings)
            )
            told = asdict(made)
            self.state.done(TRAINED, told)
        return SessionTraining(**tuples(told))

    def portraits(self, hosts: Sequence[str], say: Callable[[str], None] = lambda text: None) -> State:
        """Return the batch of the portraits, begun now or before; run it with BatchRun in `folder / PORTRAITS`.

        Raises what `begin` raises.
        """
        place = self.folder / PORTRAITS
        if (place / BATCH).exists():
            return State.open(place)
        place.mkdir(exist_ok=True)
        order, photos = self.order, []
        if not order.trained and build.takes_photos(Path(order.graph)):
            photos = [self.photos[one.sha256] for one in self._verdicts().accepted]
        wanted = Order(Path(order.graph), list(hosts), matrix=order.matrix, settings=order.portraits, photos=photos)
        return begin(wanted, place, say)

    def finish(self) -> Path:
        """Write the ranked contact sheet and the report; return the report. Raises OSError, BatchStateError."""
        told = self.state.fact(TRAINED)
        with State.open(self.folder / PORTRAITS) as batch:
            return write_papers(self.folder, self.order, None if self.order.trained else self._verdicts(), told, batch)

    def _verdicts(self) -> Verdicts:
        return Verdicts.of(self.state.fact(JUDGED))

    def _job(
        self,
        step: str,
        graph: Path,
        settings: Mapping[str, str],
        photos: Sequence[str],
        client: Client,
        listener: events.Listener,
    ) -> tuple[Result, list[str]]:
        """Run the job of a step; the same step finds its job again on the host. Return also what the photos are called.

        A job that failed or was cancelled from here is not found again: the next run makes a new attempt.
        """
        attempt = int(self.state.fact(f"{step} attempt") or 1)
        names: list[str] = []

        def upload() -> list[str]:
            names[:] = upload_photos(client, [self.photos[one] for one in photos], listener)
            return list(names)

        job = build.job(client, graph, settings, upload, prompt_id=job_id(f"{self.id}/{step}", 0, attempt))
        try:
            return run(job, client, self.folder / step, listener=listener), names
        except (PartialError, KeyboardInterrupt, SystemExit):
            self.state.done(f"{step} attempt", attempt + 1)
            raise


def _refuse_changed(photos: Mapping[str, Path]) -> None:
    for sha256, path in photos.items():
        decoding.check(path)
        if disk.sha256(path) != sha256:
            raise PhotoError(
                f"The photo {path.name!r} is another than when the session began: bring it back, or begin a new session"
            )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
