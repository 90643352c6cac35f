"""What somebody wants of a session, and what that comes to on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...portrait.subjects import clean_name
from ..client import Client
from ..graph import located
from .defaults import Defaults, choose_checkpoint, defaults_for, graph_settings, parameters_of
from .errors import SessionError

TRAINER = "train-subject"
LOADER, LOADED = "PortraitLoadSubject", "subject"
MOST_SEEDS = 1000


def tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with tuples where JSON has lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def lists(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with lists where it has tuples, as JSON gives it back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}


@dataclass(frozen=True)
class Wish:
    """What was asked for; what is empty or 0 is left to the defaults of the checkpoint.

    `photos` are the contents' sha256; `settings` and `training` are parameters of the graph of the portraits and of
    train-subject. `trained` uses the subject of this name as it is, `replace` trains it again.
    """

    name: str
    photos: tuple[str, ...] = ()
    checkpoint: str = ""
    poses: tuple[str, ...] = ()
    tones: tuple[str, ...] = ()
    count: int = 0
    seed: int = 1
    trigger: str = "ohwx"
    class_word: str = "person"
    preset: str = ""
    graph: str = ""
    prompt: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    trained: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return lists(asdict(self))

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return the names of what another wish, as JSON has it, wants otherwise."""
        return [key.replace("_", " ") for key, value in self.as_dict().items() if other.get(key) != value]


@dataclass(frozen=True)
class SessionOrder:
    """What is made: a subject, and its portraits over poses x tones x seeds; settings are those of the two graphs."""

    name: str
    checkpoint: str
    kind: str
    graph: str
    trainer: str
    poses: tuple[str, ...]
    tones: tuple[str, ...]
    seeds: tuple[int, int]
    training: Mapping[str, str]
    portraits: Mapping[str, str]
    trained: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return lists(asdict(self))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SessionOrder:
        """Read what `as_dict` gave."""
        return cls(**tuples(data))

    @property
    def matrix(self) -> list[str]:
        """The rows of the batch, the last name changing fastest."""
        first, count = self.seeds
        return [
            f"pose={_axis(self.poses)}",
            f"tone={_axis(self.tones)}",
            f"seed={first}..{first + count - 1}",
        ]


def resolve(wish: Wish, client: Client) -> SessionOrder:
    """Complete a wish with the defaults of the checkpoint and what the host has.

    Raises SessionError when the checkpoint is not there, or the name is taken (or, with `trained`, not there), and
    SubjectError for a name that is none.
    """
    name = clean_name(wish.name)
    checkpoint = choose_checkpoint(wish.checkpoint, client.models("checkpoints"))
    known = subjects_of(client)
    if wish.trained and name not in known:
        raise SessionError(f"The host has no subject {name!r} to use as it is: leave --trained out to train it")
    if name in known and not (wish.trained or wish.replace):
        raise SessionError(
            f"There is a subject named {name!r} on the host already: choose another --name, give --trained to make "
            "portraits of it as it is, or --replace to train it again"
        )
    if not 0 <= wish.count <= MOST_SEEDS:
        raise SessionError(f"--count {wish.count} is not a number of pictures from 1 to {MOST_SEEDS}")
    defaults = defaults_for(checkpoint)
    return _completed(wish, name, checkpoint, defaults)


def _completed(wish: Wish, name: str, checkpoint: str, defaults: Defaults) -> SessionOrder:
    graph, trainer = located(Path(wish.graph or defaults.graph)), located(Path(TRAINER))
    training = graph_settings(trainer, defaults.training) | {
        **{"name": name, "checkpoint": checkpoint, "trigger": wish.trigger, "class_word": wish.class_word},
        # A training that was broken off goes on, and only one that may replace does not stumble over itself.
        "replace": "true",
    }
    if wish.preset:
        training["preset"] = wish.preset
    missing = {"subject", "pose", "tone", "seed"} - set(parameters_of(graph))
    if missing:
        raise SessionError(
            f"The graph {graph.stem!r} cannot make the portraits of a session: it has no parameter "
            f"{', '.join(sorted(missing))}; name another with --graph"
        )
    portraits = graph_settings(graph, {**defaults.portraits, "subject": name, "checkpoint": checkpoint})
    if wish.prompt:
        portraits["prompt"] = wish.prompt
    return SessionOrder(
        name=name,
        checkpoint=checkpoint,
        kind=defaults.name,
        graph=str(graph),
        trainer=str(trainer),
        poses=wish.poses or defaults.poses,
        tones=wish.tones or defaults.tones,
        seeds=(wish.seed, wish.count or defaults.count),
        training=training | dict(wish.training),
        portraits=portraits | dict(wish.settings),
        trained=wish.trained,
    )


def subjects_of(client: Client) -> list[str]:
    """Return the names of the subjects that a host offers. Raises SessionError when it lacks the pack."""
    info = client.object_info()
    if LOADER not in info:
        raise SessionError(
            f"The ComfyUI at {client.address.url} does not have the Portrait Studio nodes: put the pack into its "
            "custom_nodes and start it again"
        )
    declared: list[Any] = info[LOADER].get("input", {}).get("required", {}).get(LOADED) or [[]]
    options = declared[0] if isinstance(declared[0], list) else declared[1].get("options", [])
    return [str(one) for one in options]


def _axis(names: Sequence[str]) -> str:
    return "all" if tuple(names) == ("all",) else ",".join(names)
