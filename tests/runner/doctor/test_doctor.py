"""The doctor, on folders laid out as ComfyUI's."""

from __future__ import annotations

import json

import pytest

from portrait_studio.runner.assets.packs import pin_of
from portrait_studio.runner.client.errors import exit_code

from ...present import present
from ...released import frozen
from ..command import invoke, one_sentence
from .asking import BAD, LOG, STARTER, add_model, add_pack, doctor, one, spoilt


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
