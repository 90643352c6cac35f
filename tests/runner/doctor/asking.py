"""The doctor asked, its answer looked through, and folders and graphs for it to look at."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

from portrait_studio.runner.client.errors import exit_code
from portrait_studio.runner.graph import located

from ...packing import unpacked
from ..command import invoke

ROOT = Path(__file__).parents[3]
STARTER = located(Path("portrait-starter"))
PLAIN = unpacked(ROOT / "tests" / "workflows" / "plain") / "portrait-starter.v1.json"
LOG = (ROOT / "tests" / "data" / "logs" / "failed_imports.log").read_text("utf-8")


def add_pack(installation: Path, folder: str, name: str, version: str) -> None:
    place = installation / "custom_nodes" / folder
    place.mkdir()
    (place / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "{version}"\n')


def add_model(installation: Path, folder: str, name: str, data: bytes) -> dict:
    file = installation / "models" / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return {"role": "x", "folder": folder, "file": name, "sha256": hashlib.sha256(data).hexdigest()}


def doctor(*arguments) -> tuple[int, list[dict]]:
    answer = invoke("doctor", *arguments, "--json")
    report = json.loads(answer.stdout)
    assert report["healthy"] == (answer.exit_code == 0)
    assert answer.exit_code in (0, exit_code("doctor"))
    return answer.exit_code, report["findings"]


def one(findings: list[dict], subject: str, section: str = "") -> dict:
    (found,) = [row for row in findings if row["subject"] == subject and section in ("", row["section"])]
    return found


def face_detailer(feather: float, mode: int = 0) -> dict:
    names = ["guide_size", "seed", "noise_mask_feather"]
    inputs = [{"name": name, "type": "INT", "link": None, "widget": {"name": name}} for name in names]
    values = [512, 7, "fixed", feather]
    node = {"id": 4, "type": "FaceDetailer", "title": "Faces", "mode": mode, "inputs": inputs}
    return {**node, "widgets_values": values}


def spoilt(change):
    data = json.loads(PLAIN.read_text("utf-8"))
    change(data)
    return data


def node(data: dict, identity: int) -> dict:
    return next(one for one in data["nodes"] if one["id"] == identity)


BAD = {
    "from a newer Portrait Studio": lambda data: data["extra"]["portrait_studio"].update(version="97.0.0"),
    "link 9999, which is gone": lambda data: node(data, 23)["inputs"][0].update(link=9999),
    "two nodes have the id 23": lambda data: data["nodes"].append(copy.deepcopy(node(data, 23))),
    "Sample the detail (node 65) has 1 saved value too many": lambda data: node(data, 65)["widgets_values"].append(9),
    "name": lambda data: data["extra"]["portrait_studio"]["requires"]["models"][0].update(url="http://example.com"),
}
