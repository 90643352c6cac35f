"""Known traps: found where they apply, a note where they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portrait_studio.runner import graph as graphs
from portrait_studio.runner.assets.packs import pin_of
from portrait_studio.runner.assets.versions import within
from portrait_studio.runner.doctor.knowledge import knowledge, traps
from portrait_studio.runner.graph import located, operations

from .asking import add_pack, doctor, face_detailer, one


@pytest.mark.parametrize(
    ("host", "impact", "feather", "mode", "level"),
    [
        ("0.3.75", "7.10.6", 20, 0, "error"),
        ("0.3.75", "7.10.6", 0, 0, None),
        ("0.3.75", "7.10.6", 20, 4, None),
        ("0.3.62", "7.10.6", 20, 0, None),
        ("0.3.75", "8.20.0", 20, 0, "warning"),
        ("0.3.75", "8.28.3", 20, 0, None),
        ("0.3.75", "", 20, 0, "warning"),
        ("", "7.10.6", 20, 0, "warning"),
        ("0.3.75", None, 20, 0, None),
    ],
)
def test_the_feather_that_kills_the_detailer_is_known(installation, graph, host, impact, feather, mode, level):
    (installation / "comfyui_version.py").write_text(f'__version__ = "{host}"\n' if host else "")
    if impact is not None:
        add_pack(installation, "ComfyUI-Impact-Pack", "comfyui-impact-pack", impact)
    found = doctor(graph(nodes=[face_detailer(feather, mode)]), "--comfyui", installation)[1]
    told = [row for row in found if row["subject"].endswith("noise-mask-feather")]
    assert {row["level"] for row in told} == ({level} if level else set())
    for row in told:
        assert "Faces (node 4)" in row["message"]
        assert (
            "set noise_mask_feather to 0" in row["message"].lower() or "Set noise_mask_feather to 0" in row["message"]
        )


def test_a_trap_in_a_shipped_graph_that_a_user_changed_is_found_while_nothing_runs(installation, tmp_path):
    """Out of a picture, where nodes do not name their widgets; the order is that of the shipped graph."""
    add_pack(installation, "ComfyUI-Impact-Pack", "comfyui-impact-pack", "7.10.6")
    shipped = located(Path("portrait-studio"))
    data = json.loads(shipped.read_text("utf-8"))
    every = [each for level in graphs.levels(data) for each in level["nodes"]]
    detailers = [each for each in every if each["type"] == "FaceDetailer" and each.get("mode", 0) == 0]
    names = [slot["widget"]["name"] for slot in detailers[0]["inputs"] if slot.get("widget")]
    place = names.index("noise_mask_feather") + 1  # the seed's control stands before it
    assert [each["widgets_values"][place] for each in detailers] == [0] * len(detailers)
    detailers[0]["widgets_values"][place] = 20
    for level in graphs.levels(data):
        for each in level["nodes"]:
            each["inputs"] = [slot for slot in each["inputs"] if "widget" not in slot or slot["link"]]
            operations._renumber(each, level)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(data), "utf-8")
    assert not [row for row in doctor(shipped, "--comfyui", installation)[1] if "feather" in row["subject"]]
    told = one(doctor(file, "--comfyui", installation)[1], "impact-7-noise-mask-feather")
    assert told["level"] == "error"
    assert f"{detailers[0]['id']})" in told["message"]


def test_a_graph_in_api_format_is_looked_through_for_traps(installation, tmp_path):
    add_pack(installation, "ComfyUI-Impact-Pack", "comfyui-impact-pack", "7.10.6")
    file = tmp_path / "api.json"
    file.write_text(json.dumps({"4": {"class_type": "FaceDetailer", "inputs": {"noise_mask_feather": 5}}}))
    assert one(doctor(file, "--comfyui", installation)[1], "impact-7-noise-mask-feather")["level"] == "error"


def test_a_trap_is_a_note_while_no_graph_falls_into_it(installation):
    add_pack(installation, "ComfyUI-Impact-Pack", "comfyui-impact-pack", "7.10.6")
    code, found = doctor("--comfyui", installation)
    assert code == 0
    assert one(found, "impact-7-noise-mask-feather")["level"] == "note"


def test_every_trap_is_whole_and_every_range_can_be_read():
    assert len({trap.id for trap in traps()}) == len(traps())
    for trap in traps():
        assert within("1.0", trap.host) is not None
        assert within("1.0", trap.versions) is not None
        assert trap.advice
        assert trap.source
        assert trap.pack == "" or pin_of(trap.pack)
        assert bool(trap.input) == (trap.above is not None or trap.equal is not None)
    for remedy in knowledge()["remedy"]:
        assert pin_of(remedy["pack"])
