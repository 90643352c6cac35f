"""The doctor on real hosts, well and sick."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from portrait_studio.runner.assets.packs import names_of
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.client.errors import exit_code
from portrait_studio.runner.doctor import facts_of_folder, facts_of_host, live
from portrait_studio.runner.doctor.log import tells_of_a_start

from ..command import invoke, one_sentence
from .asking import BAD, STARTER, doctor, face_detailer, one, spoilt


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
