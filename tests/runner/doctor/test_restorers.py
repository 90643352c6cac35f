"""Restoration networks as the doctor sees them: told by their tensors, with what their licences allow."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from portrait_studio.portrait.restore.networks import known
from portrait_studio.runner.doctor import HostFacts
from portrait_studio.runner.doctor.restorers import check_restorers

from ..command import invoke

NUMBER = np.zeros(1, np.float32)


@pytest.fixture
def with_networks(installation) -> Path:
    """The installation, with restoration networks by misleading names in it."""
    folder = installation / "models" / "facerestore_models"
    (folder / "old").mkdir(parents=True)
    for name, prefix, file in (
        ("CodeFormer", "", "GFPGANv1.4.safetensors"),
        ("GFPGAN", "params_ema.", "old/better.safetensors"),
        ("RestoreFormer", "", "rf.safetensors"),
    ):
        (folder / file).write_bytes(save({prefix + mark: NUMBER for mark in known()[name].marks}))
    (folder / "lora.safetensors").write_bytes(save({"a.lora_up.weight": NUMBER}))
    (folder / "renamed.safetensors").write_bytes(pickle.dumps({"a": 1}, 4))
    (folder / "GFPGANv1.3.pth").write_bytes(pickle.dumps({"a": 1}))
    return installation


def test_each_network_is_told_by_its_tensors_with_its_licence(with_networks):
    report = json.loads(invoke("doctor", "--comfyui", with_networks, "--json").stdout)
    found = {row["subject"]: row for row in report["findings"] if row["subject"].startswith("facerestore_models/")}
    states = {name.partition("/")[2]: (row["level"], row["state"]) for name, row in found.items()}
    assert states == {
        "GFPGANv1.4.safetensors": ("note", "CodeFormer"),
        "old/better.safetensors": ("note", "GFPGAN"),
        "rf.safetensors": ("note", "RestoreFormer"),
        "lora.safetensors": ("note", "unknown network"),
        "renamed.safetensors": ("warning", "cannot be read"),
    }
    said = {row["state"]: row["message"] for row in found.values()}
    assert said["CodeFormer"].startswith("NON-COMMERCIAL. CodeFormer is for non-commercial use (licence: S-Lab License")
    assert said["GFPGAN"].startswith("GFPGAN has parts for non-commercial use (licence: Apache-2.0, except for parts")
    assert said["RestoreFormer"].startswith("RestoreFormer says nothing of commercial use")
    assert "is a .pth by another name and was not read" in said["cannot be read"]
    assert report["healthy"] is (not any(row["level"] == "error" for row in report["findings"]))


def test_of_a_host_elsewhere_only_the_names_are_known():
    names = ["codeformer_v0.1.0.safetensors", "GFPGANv1.4.safetensors", "GPEN.safetensors", "codeformer.pth"]
    facts = HostFacts("far", True, listed={"facerestore_models": names}.__getitem__)
    found = list(check_restorers(facts))
    assert [one.state for one in found] == ["CodeFormer", "GFPGAN"]
    assert all("By its name" in one.message for one in found)
    assert list(check_restorers(HostFacts("far", True))) == []
