"""What a wish comes to with the defaults of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portrait_studio.portrait.poses import library as poses
from portrait_studio.portrait.tones import library as tones
from portrait_studio.runner.client import Client
from portrait_studio.runner.graph import located
from portrait_studio.runner.jobs import build
from portrait_studio.runner.session import SessionError, SessionOrder, Wish, choose_checkpoint, defaults_for
from portrait_studio.runner.session.defaults import _kinds
from portrait_studio.runner.session.order import TRAINER, resolve
from portrait_studio.trainer import settings

POCKET, REAL, OTHER = "pocket.safetensors", "SD1.5/real.safetensors", "other.safetensors"


class Host(Client):
    """A client of no host, which knows what `resolve` asks."""

    def __init__(self, checkpoints=(POCKET,), subjects=("none",)) -> None:
        declared = {"input": {"required": {"subject": ["COMBO", {"options": list(subjects)}]}}}
        self.checkpoints, self.info = list(checkpoints), {"PortraitLoadSubject": declared}

    def models(self, folder: str) -> list[str]:
        assert folder == "checkpoints"
        return self.checkpoints

    def object_info(self) -> dict[str, Any]:
        return self.info


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pocket.safetensors", "pocket"),
        ("SD1.5/realistic.safetensors", "sd15"),
        (r"xl\juggernautXL_v9.safetensors", "sdxl"),
        ("sd_xl_base_1.0.safetensors", "sdxl"),
    ],
)
def test_the_kind_of_a_checkpoint_follows_from_its_name(name, kind):
    assert defaults_for(name).name == kind


def test_the_only_real_checkpoint_is_taken_and_the_pocket_one_when_nothing_else_is_there():
    assert choose_checkpoint("", [POCKET]) == POCKET
    assert choose_checkpoint("", [POCKET, REAL]) == REAL
    assert choose_checkpoint("real.safetensors", [POCKET, REAL, OTHER]) == REAL


@pytest.mark.parametrize(
    ("wanted", "offered", "says"),
    [("", [REAL, OTHER], "several"), ("", [], "no checkpoint"), ("gone.safetensors", [REAL], "no checkpoint 'gone")],
)
def test_a_checkpoint_that_cannot_be_chosen_is_a_sentence(wanted, offered, says):
    with pytest.raises(SessionError, match=says):
        choose_checkpoint(wanted, offered)


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: kind.name)
def test_the_defaults_name_presets_graphs_and_parameters_that_there_are(kind):
    assert set(kind.poses) <= set(poses.names())
    assert set(kind.tones) <= set(tones.names())
    assert kind.training["preset"] in settings.names()
    for graph, given in ((kind.graph, kind.portraits), (TRAINER, kind.training)):
        known = {row["name"] for row in build.parameter_rows(located(Path(graph)))}
        assert set(given) <= known
    assert {"subject", "pose", "tone", "seed"} <= {
        row["name"] for row in build.parameter_rows(located(Path(kind.graph)))
    }


def test_nothing_set_gives_the_defaults_of_the_pocket_checkpoint():
    order = resolve(Wish("Anna"), Host())
    assert order.matrix == ["pose=head-front,head-three-quarter-left", "tone=warm-film,black-and-white", "seed=1..1"]
    assert order.training["preset"] == "pocket-quick"
    assert (order.portraits["subject"], order.portraits["checkpoint"]) == ("Anna", POCKET)
    assert SessionOrder.of(order.as_dict()) == order


def test_what_is_set_comes_before_the_defaults():
    wish = Wish("Anna", poses=("head-front",), tones=("all",), count=3, seed=5, prompt="in a red coat")
    order = resolve(wish, Host())
    assert order.matrix == ["pose=head-front", "tone=all", "seed=5..7"]
    assert order.portraits["prompt"] == "in a red coat"


def test_a_name_that_is_taken_is_refused_unless_it_shall_be_used_or_replaced():
    taken = Host(subjects=("none", "Anna"))
    with pytest.raises(SessionError, match="subject named 'Anna' on the host already"):
        resolve(Wish("Anna"), taken)
    assert resolve(Wish("Anna", trained=True), taken).trained
    assert not resolve(Wish("Anna", replace=True), taken).trained
    with pytest.raises(SessionError, match="no subject 'Anna' to use"):
        resolve(Wish("Anna", trained=True), Host())


def test_a_graph_without_poses_makes_no_portraits():
    with pytest.raises(SessionError, match="no parameter pose, subject, tone"):
        resolve(Wish("Anna", graph="couple"), Host())


def test_a_wish_knows_what_another_wants_otherwise():
    assert Wish("Anna", poses=("a",)).differences(Wish("Anna", poses=("a",)).as_dict()) == []
    assert Wish("Anna", class_word="woman").differences(Wish("Ben").as_dict()) == ["name", "class word"]
