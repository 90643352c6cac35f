"""The doctor, on folders laid out as ComfyUI's, on logs as ComfyUI writes them, and on real hosts."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import time
from pathlib import Path

import pytest

from portrait_studio.runner import graph as graphs
from portrait_studio.runner.assets.packs import names_of, pin_of
from portrait_studio.runner.assets.versions import within
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.client.errors import exit_code
from portrait_studio.runner.doctor import facts_of_folder, facts_of_host, live
from portrait_studio.runner.doctor.knowledge import knowledge, traps
from portrait_studio.runner.doctor.log import failures, tells_of_a_start
from portrait_studio.runner.graph import operations

from ...present import present
from ...released import frozen
from ..command import invoke, one_sentence

ROOT = Path(__file__).parents[3]
STARTER = ROOT / "workflows" / "portrait-starter.v1.json"
PLAIN = ROOT / "tests" / "workflows" / "plain" / "portrait-starter.v1.json"
LOG = (ROOT / "tests" / "data" / "logs" / "failed_imports.log").read_text("utf-8")


def test_each_pack_that_failed_has_its_own_reason_and_traceback():
    found = failures(LOG)
    assert set(found) == {
        *("ComfyUI-ReActor", "ComfyUI-Impact-Pack", "empty", "portrait-studio", "told_of_only_here"),
    }
    assert found["ComfyUI-ReActor"].traceback.startswith("Traceback")
    assert found["ComfyUI-ReActor"].traceback.endswith("No module named 'onnxruntime'")
    assert "impact" not in found["ComfyUI-ReActor"].traceback
    chained = found["ComfyUI-Impact-Pack"].traceback
    assert chained.count("Traceback") == 2
    assert "KeyError: 'first'" in chained
    assert "onnxruntime" not in chained
    assert found["empty"].reason == "the lack of NODE_CLASS_MAPPINGS or NODES_LIST"
    assert found["portrait-studio"].reason == "no such file"
    assert tells_of_a_start(LOG)
    assert not tells_of_a_start(LOG[:400])
    assert failures("all is well") == {}


def test_a_host_that_puts_a_coloured_level_before_each_message_is_read_as_any_other():
    """Since 0.33: app/logger.py, ColoredFormatter."""
    begins = r"(?<!exception:\n\n)^(?=Cannot import|Skip |Error while|Traceback|\[2026)"
    assert failures(re.sub(begins, "\x1b[1m\x1b[33m[WARNING]\x1b[0m ", LOG, flags=re.M)) == failures(LOG)


# A folder that does not run.


@pytest.fixture
def installation(tmp_path) -> Path:
    """A folder laid out as ComfyUI's, with this pack in it."""
    root = tmp_path / "ComfyUI"
    (root / "custom_nodes").mkdir(parents=True)
    (root / "main.py").touch()
    (root / "comfyui_version.py").write_text('__version__ = "0.3.75"\n')
    (root / "custom_nodes" / "portrait-studio").symlink_to(ROOT)
    return root


def add_pack(installation: Path, folder: str, name: str, version: str) -> None:
    place = installation / "custom_nodes" / folder
    place.mkdir()
    (place / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "{version}"\n')


def add_model(installation: Path, folder: str, name: str, data: bytes) -> dict:
    file = installation / "models" / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return {"role": "x", "folder": folder, "file": name, "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture
def graph(tmp_path):
    """Write a graph that requires packs and models, and holds nodes."""

    def write(packs=(), models=(), nodes=(), name="wants") -> Path:
        requires = {"packs": list(packs), "models": list(models)}
        studio = {"name": name, "version": "1.0.0", "requires": requires}
        file = tmp_path / f"{name}.v1.json"
        data = {"version": 0.4, "nodes": list(nodes), "links": [], "extra": {"portrait_studio": studio}}
        file.write_text(json.dumps(data), "utf-8")
        return file

    return write


def doctor(*arguments) -> tuple[int, list[dict]]:
    answer = invoke("doctor", *arguments, "--json")
    report = json.loads(answer.stdout)
    assert report["healthy"] == (answer.exit_code == 0)
    assert answer.exit_code in (0, exit_code("doctor"))
    return answer.exit_code, report["findings"]


def one(findings: list[dict], subject: str, section: str = "") -> dict:
    (found,) = [row for row in findings if row["subject"] == subject and section in ("", row["section"])]
    return found


def test_a_folder_that_does_not_run_is_looked_at_all_the_same(installation, graph):
    model = add_model(installation, "vae", "a.safetensors", b"numbers")
    code, found = doctor(graph(models=[model]), "--comfyui", installation)
    assert code == 0
    assert one(found, "ComfyUI")["state"] == "0.3.75"
    assert one(found, "portrait-studio")["level"] == "ok"
    assert one(found, "vae/a.safetensors")["data"]["hashed"]
    assert one(found, "running")["level"] == "note"
    assert one(found, "disk")["data"]["free"] > 0


@pytest.mark.parametrize(
    ("version", "level"), [("0.3.74", "error"), ("0.3.75", "ok"), ("0.33.0", "ok"), ("0.34.0", "note"), ("", "warning")]
)
def test_a_host_older_or_newer_than_those_tried_is_told(installation, version, level):
    (installation / "comfyui_version.py").write_text(f'__version__ = "{version}"\n' if version else "")
    assert one(doctor("--comfyui", installation)[1], "ComfyUI")["level"] == level


def test_the_pack_missing_or_of_another_version_is_told(installation):
    (installation / "custom_nodes" / "portrait-studio").unlink()
    code, found = doctor("--comfyui", installation)
    assert (code, one(found, "portrait-studio")["state"]) == (exit_code("doctor"), "missing")
    add_pack(installation, "portrait-studio", "portrait-studio", "0.0.1")
    code, found = doctor("--comfyui", installation)
    assert (code, one(found, "portrait-studio")["state"]) == (0, "other version")


def test_packs_are_present_of_another_version_switched_off_or_missing(installation, graph):
    add_pack(installation, "ComfyUI-Impact-Pack", "comfyui-impact-pack", "7.10.6")
    add_pack(installation, "usdu", "comfyui_ultimatesdupscale", "9.0.0")
    add_pack(installation, "comfyui_controlnet_aux.disabled", "comfyui_controlnet_aux", "1.1.5")
    names = {"comfyui-impact-pack": "7.10.6", "comfyui_ultimatesdupscale": "1.7.1", "comfyui_controlnet_aux": "1.1.5"}
    wanted = [{"name": name, "version": version} for name, version in names.items()]
    wanted += [{"name": "comfyui-impact-subpack", "version": "1.3.4"}, {"name": "lost", "optional": True}]
    code, found = doctor(graph(wanted), "--comfyui", installation)
    assert code == exit_code("doctor")
    levels = {row["subject"]: (row["level"], row["state"]) for row in found if row["section"] == "packs"}
    assert levels == {
        "comfyui-impact-pack": ("ok", "7.10.6"),
        "comfyui_ultimatesdupscale": ("warning", "9.0.0"),
        "comfyui_controlnet_aux": ("error", "switched off"),
        "comfyui-impact-subpack": ("error", "missing"),
        "lost": ("note", "missing"),
    }
    missing = one(found, "comfyui-impact-subpack")["message"]
    assert "1.3.4" in missing
    assert "AGPL-3.0" in missing
    assert present(pin_of("comfyui-impact-subpack")).repository in missing


def test_a_pack_that_failed_at_the_last_start_is_shown_with_its_traceback(installation, graph):
    for folder, name in (("ComfyUI-Impact-Pack", "comfyui-impact-pack"), ("ComfyUI-ReActor", "comfyui-reactor")):
        add_pack(installation, folder, name, "7.10.6")
    (installation / "custom_nodes" / "ComfyUI-ReActor" / "requirements.txt").touch()
    (installation / "user").mkdir()
    (installation / "user" / "comfyui.log").write_text(LOG.replace("portrait-studio", "elsewhere"), "utf-8")
    wanted = [{"name": "comfyui-impact-pack"}, {"name": "comfyui-reactor"}]
    code, found = doctor(graph(wanted), "--comfyui", installation)
    assert code == exit_code("doctor")
    impact, reactor = one(found, "comfyui-impact-pack"), one(found, "comfyui-reactor")
    assert impact["state"] == reactor["state"] == "failed to import"
    assert "import impact.subpack_nodes" in impact["detail"]
    assert "impact_subpack" in impact["message"]
    assert "requirements.txt" in reactor["message"]
    shown = invoke("doctor", graph(wanted), "--comfyui", installation).stdout
    assert "ModuleNotFoundError: No module named 'onnxruntime'" in shown
    # What nobody needs keeps nobody from anything.
    assert one(found, "elsewhere")["level"] == "note"
    assert doctor(graph(), "--comfyui", installation)[0] == 0


def test_models_are_present_different_hidden_or_missing(installation, graph, tmp_path):
    right = add_model(installation, "vae", "right.safetensors", b"right")
    wrong = {**add_model(installation, "vae", "wrong.safetensors", b"right"), "sha256": "0" * 64}
    short = {**add_model(installation, "vae", "short.safetensors", b"right"), "size": 9}
    unknown = add_model(installation, "vae", "unknown.safetensors", b"right")
    del unknown["sha256"]
    hidden = add_model(installation, "vae", "hidden.safetensors", b"first")
    store = tmp_path / "paths.json"
    store.write_text(json.dumps({"more": {"base_path": str(tmp_path / "more"), "vae": "vae"}}))
    (tmp_path / "more" / "vae").mkdir(parents=True)
    (tmp_path / "more" / "vae" / "hidden.safetensors").write_bytes(b"another")
    missing = {"role": "upscaler", "folder": "upscale_models", "file": "x4.pth", "size": 67_000_000}
    missing |= {"source": "https://example.com/x4", "license": "CC-BY-NC-SA-4.0", "non_commercial": True}
    can_do_without = {"role": "hands", "folder": "ultralytics", "file": "bbox/hands.pt", "optional": True}
    models = [right, wrong, short, unknown, hidden, missing, can_do_without]
    arguments = (graph(models=models), "--comfyui", installation, "--extra-model-paths-config", store)
    code, found = doctor(*arguments)
    assert code == exit_code("doctor")
    states = [
        (row["subject"].split("/", 1)[1], row["level"], row["state"]) for row in found if row["section"] == "models"
    ]
    assert states == [
        ("right.safetensors", "ok", "present"),
        ("wrong.safetensors", "error", "wrong hash"),
        ("short.safetensors", "error", "wrong hash"),
        ("unknown.safetensors", "ok", "present"),
        ("hidden.safetensors", "ok", "present"),
        ("hidden.safetensors", "warning", "hides another"),
        ("x4.pth", "error", "missing"),
        ("bbox/hands.pt", "note", "missing"),
    ]
    told = one(found, "upscale_models/x4.pth")["message"]
    for words in ("67.0 MB", "CC-BY-NC-SA-4.0", "NON-COMMERCIAL", "https://example.com/x4"):
        assert words in told
    assert "gives no hash" in one(found, "vae/unknown.safetensors")["message"]


def test_a_large_model_is_hashed_once_and_only_on_request(installation, graph, monkeypatch):
    monkeypatch.setattr("portrait_studio.runner.assets.models.HASH_AT_ONCE", 3)
    file = graph(models=[{**add_model(installation, "vae", "a.safetensors", b"large"), "sha256": "0" * 64}])
    name = "vae/a.safetensors"
    code, found = doctor(file, "--comfyui", installation)
    assert code == 0
    assert "Not hashed" in one(found, name)["message"]
    assert one(doctor(file, "--comfyui", installation, "--hashes")[1], name)["state"] == "wrong hash"
    assert one(doctor(file, "--comfyui", installation)[1], name)["state"] == "wrong hash"


def face_detailer(feather: float, mode: int = 0) -> dict:
    names = ["guide_size", "seed", "noise_mask_feather"]
    inputs = [{"name": name, "type": "INT", "link": None, "widget": {"name": name}} for name in names]
    values = [512, 7, "fixed", feather]
    node = {"id": 4, "type": "FaceDetailer", "title": "Faces", "mode": mode, "inputs": inputs}
    return {**node, "widgets_values": values}


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
    shipped = ROOT / "workflows" / "portrait-studio.v1.json"
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


@pytest.mark.parametrize("words", BAD)
def test_a_graph_that_cannot_be_used_is_a_finding_of_one_sentence(installation, tmp_path, words):
    file = tmp_path / "name.json"
    file.write_text(json.dumps(spoilt(BAD[words])), "utf-8")
    code, found = doctor(file, "--comfyui", installation)
    assert code == exit_code("doctor")
    bad = [row for row in found if row["section"] == "graphs" and row["level"] == "error"]
    assert len(bad) == 1
    assert words in bad[0]["message"]
    assert "\n" not in bad[0]["message"]


def test_an_older_graph_is_told_of_its_migration(installation):
    found = doctor(frozen.path("portrait-starter.0.9.0.json"), "--comfyui", installation)[1]
    (told,) = [row for row in found if row["state"] == "older version"]
    assert "graph migrate" in told["message"]


def test_room_is_measured_against_what_the_graph_takes(installation, graph, monkeypatch):
    big = {"role": "x", "folder": "vae", "file": "big.safetensors", "size": 1 << 60}
    found = doctor(graph(models=[big]), "--comfyui", installation)[1]
    assert one(found, "disk")["level"] == "error"
    assert one(found, "memory")["level"] == "warning"
    found = doctor(STARTER, "--comfyui", installation)[1]
    # 256 x 256 px, four times as wide after the upscaler.
    assert "1024 x 1024 px" in one(found, "memory")["message"]


def test_what_is_no_comfyui_and_what_is_no_host_is_one_sentence(tmp_path):
    answer = invoke("doctor", "--comfyui", tmp_path)
    assert answer.exit_code == exit_code("host")
    assert one_sentence(answer.stderr)
    answer = invoke("doctor", "--host", "http://127.0.0.1:1")
    assert answer.exit_code == exit_code("address")
    assert one_sentence(answer.stderr)


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


# Real hosts.


@pytest.fixture(scope="module")
def starter(models, tmp_path_factory) -> Path:
    """The starter graph, which requires the pocket models as they are in the folder that the host is given."""
    data = json.loads(STARTER.read_text("utf-8"))
    for model in data["extra"]["portrait_studio"]["requires"]["models"]:
        model["sha256"] = hashlib.sha256((models / model["folder"] / model["file"]).read_bytes()).hexdigest()
    file = tmp_path_factory.mktemp("starter") / STARTER.name
    file.write_text(json.dumps(data), "utf-8")
    return file


@pytest.mark.host
def test_the_studios_own_host_is_well_and_the_answer_takes_less_than_three_seconds(host, version, starter):
    taken, answers = [], []
    for _ in range(2):
        clock = time.monotonic()
        answers.append(invoke("doctor", starter, "--host", host.url, "--json"))
        taken.append(time.monotonic() - clock)
    answer = answers[-1]
    found = json.loads(answer.stdout)["findings"]
    assert answer.exit_code == 0, [row for row in found if row["level"] == "error"]
    assert one(found, "ComfyUI")["state"] == version
    assert one(found, "runs on")["state"].startswith("Python 3")
    assert one(found, "portrait-studio")["level"] == "ok"
    assert one(found, "controlnet/pocket-tile.safetensors")["data"]["hashed"]
    assert min(taken) < 3.0


@pytest.mark.host
def test_a_far_host_is_asked_for_what_its_files_would_tell(host, starter, monkeypatch):
    monkeypatch.setattr(live, "_lies_in", lambda folders, name: False)
    with Client(host.url) as client:
        assert facts_of_host(client).folders is None
    answer = invoke("doctor", starter, "--host", host.url, "--json")
    found = json.loads(answer.stdout)["findings"]
    assert answer.exit_code == 0
    assert "graphs that the host offers" in one(found, "portrait-studio")["message"]
    assert "cannot be seen from here" in one(found, "checkpoints/pocket.safetensors")["message"]
    assert not [row for row in found if row["subject"] == "disk"]


@pytest.fixture(scope="module")
def sick_host(start_host, tmp_path_factory):
    """A real host with a pack that cannot be imported, one that has no nodes, and one of the Impact Pack's name."""
    root = tmp_path_factory.mktemp("sick")
    nodes = root / "nodes"
    for name, code in (
        ("ComfyUI-ReActor", "import a_module_that_nobody_has"),
        ("comfyui_controlnet_aux", "x = 1"),
        (
            "ComfyUI-Impact-Pack",
            "class FaceDetailer:\n"
            "    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), 'run', 'test', True\n"
            "    @classmethod\n"
            "    def INPUT_TYPES(cls):\n"
            "        number = ('INT', {'default': 0, 'min': 0, 'max': 2**32})\n"
            "        return {'required': {'guide_size': number, 'seed': number, 'noise_mask_feather': number}}\n"
            "    def run(self, **values):\n"
            "        return ()\n"
            "NODE_CLASS_MAPPINGS = {'FaceDetailer': FaceDetailer}\n",
        ),
    ):
        (nodes / name).mkdir(parents=True)
        (nodes / name / "__init__.py").write_text(code)
    (nodes / "ComfyUI-Impact-Pack" / "pyproject.toml").write_text(
        '[project]\nname = "comfyui-impact-pack"\nversion = "7.10.6"\n'
    )
    config = root / "paths.json"
    config.write_text(json.dumps({"sick": {"custom_nodes": str(nodes)}}))
    with start_host("--extra-model-paths-config", str(config)) as running:
        yield running


@pytest.mark.host
def test_a_real_host_tells_which_packs_failed_which_traps_apply_and_what_is_missing(sick_host, graph):
    wanted = [
        {"name": "comfyui-impact-pack", "version": "7.10.6", "nodes": ["FaceDetailer", "ImpactMakeTileSEGS"]},
        {"name": "comfyui-reactor", "version": "0.7.0-a2", "nodes": ["ReActorFaceSwap"]},
        {"name": "comfyui_controlnet_aux", "nodes": ["DWPreprocessor"]},
        {"name": "comfyui_ultimatesdupscale", "nodes": ["UltimateSDUpscale"]},
    ]
    models = [{"role": "checkpoint", "folder": "checkpoints", "file": "lost.safetensors"}]
    file = graph(wanted, models, [face_detailer(20)])
    code, found = doctor(file, "--host", sick_host.url)
    assert code == exit_code("doctor")
    reactor = one(found, "comfyui-reactor")
    assert reactor["state"] == "failed to import"
    assert reactor["detail"].startswith("Traceback")
    assert reactor["detail"].endswith("ModuleNotFoundError: No module named 'a_module_that_nobody_has'")
    impact = one(found, "comfyui-impact-pack")
    assert (impact["state"], impact["data"]["missing_nodes"]) == ("lacks nodes", ["ImpactMakeTileSEGS"])
    assert one(found, "comfyui_controlnet_aux")["state"] == "failed to import"
    assert "NODE_CLASS_MAPPINGS" in one(found, "comfyui_controlnet_aux")["message"]
    assert one(found, "comfyui_ultimatesdupscale")["state"] == "missing"
    assert one(found, "checkpoints/lost.safetensors")["state"] == "missing"
    trap = one(found, "impact-7-noise-mask-feather")
    assert trap["level"] == "error"
    assert "Faces (node 4)" in trap["message"]
    assert code != doctor(graph(nodes=[face_detailer(0)], name="fine"), "--host", sick_host.url)[0]


@pytest.mark.host
def test_a_traceback_that_the_host_has_forgotten_is_read_from_its_log_file(sick_host):
    with Client(sick_host.url) as client:
        for _ in range(160):
            client.transport.post("/prompt", {"prompt": {"1": {"class_type": "nothing of the kind"}}})
        remembered = client.transport.get("/internal/logs/raw").json()["entries"]
        assert not tells_of_a_start("".join(entry["m"] for entry in remembered))
        facts = facts_of_host(client)
    assert facts.has_log
    assert facts.failures["ComfyUI-ReActor"].traceback.endswith("'a_module_that_nobody_has'")


@pytest.mark.host
def test_the_folder_of_the_host_that_ran_tells_the_same_of_its_packs(sick_host, comfyui, graph):
    """What the running host says and what its folder and log say agree."""
    with Client(sick_host.url) as client:
        running = facts_of_host(client)
    read = facts_of_folder(comfyui, [sick_host.work / "nodes.json"], work=sick_host.work)
    assert read.version == running.version
    assert read.failures == running.failures
    assert set(names_of("comfyui-reactor")) & set(read.failures)


@pytest.mark.host
@pytest.mark.parametrize("words", ["from a newer Portrait Studio", "8 saved values for 7 widgets"])
def test_the_runner_too_refuses_a_newer_graph_and_a_widget_too_many(host, tmp_path, words):
    change = BAD["Sample the detail (node 65) has 1 saved value too many" if "saved" in words else words]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(spoilt(change)), "utf-8")
    for command in ("check", "run"):
        answer = invoke(command, file, "--host", host.url, *(["--out", tmp_path / "out"] if command == "run" else []))
        assert answer.exit_code == exit_code("graph")
        assert words in answer.stderr
        assert one_sentence(answer.stderr)
