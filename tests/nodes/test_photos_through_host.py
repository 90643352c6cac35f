"""Photos through the running host: cropped, pasted, and refused by name."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request

import pytest

from .running import PEOPLE


def submit(host, prompt: dict) -> dict:
    """Run a graph in API format on the host and return its history entry."""
    body = json.dumps({"prompt": prompt}).encode()
    request = urllib.request.Request(f"{host.url}/prompt", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            job = json.load(answer)["prompt_id"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    end = time.monotonic() + 280
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{host.url}/history/{job}") as answer:
            history = json.load(answer)
        if job in history and history[job]["status"]["completed"] | (history[job]["status"]["status_str"] == "error"):
            return history[job]
        time.sleep(0.2)
    raise AssertionError("the job did not end in time")


@pytest.mark.host
def test_photos_go_through_the_running_host_and_come_out_with_faces_pasted(host):
    folder = host.input / "a family 가족"
    folder.mkdir(exist_ok=True)
    for name in ("ada_2.jpg", "ada_4.jpg", "ada_6.jpg", "ben_0.jpg"):
        shutil.copy(PEOPLE / name, folder / name)
    entry = submit(
        host,
        {
            "1": {
                "class_type": "PortraitLoadPhotos",
                "inputs": {"folder": folder.name, "files": "", "max_photos": 0},
            },
            "2": {
                "class_type": "PortraitPhotoReport",
                "inputs": {
                    "images": ["1", 0],
                    "names": ["1", 1],
                    "min_face": 48,
                    "max_yaw": 70.0,
                    "min_sharpness": 0.01,
                    "same_person": 0.67,
                },
            },
            "3": {
                "class_type": "PortraitFaceCrop",
                "inputs": {
                    "image": ["2", 0],
                    "ratio": 2.2,
                    "size": 256,
                    "level": True,
                    "choose": "largest",
                    "max_faces": 0,
                    "min_score": 0.6,
                    "padding": "reflect",
                },
            },
            "4": {
                "class_type": "PortraitFacePaste",
                "inputs": {"image": ["2", 0], "crops": ["3", 0], "info": ["3", 2], "feather": 0.1, "colour_match": 0.5},
            },
            "5": {
                "class_type": "PortraitIdentityScore",
                "inputs": {"images": ["4", 0], "stage": "paste", "references": ["2", 0], "names": ["2", 1]},
            },
            "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "pasted"}},
        },
    )
    assert entry["status"]["status_str"] == "success", entry["status"]
    likeness = entry["outputs"]["5"]["portrait_studio"][0]
    assert likeness["faces"] == 3
    assert likeness["likeness"] > 0.9
    assert entry["outputs"]["2"]["portrait_studio"][0]["accepted"] == 3
    assert entry["outputs"]["3"]["portrait_studio"][0]["warnings"] == []
    assert len(entry["outputs"]["6"]["images"]) == 3
    assert len(entry["outputs"]["2"]["images"]) == 1


@pytest.mark.host
def test_a_bad_photo_is_named_by_the_running_host(host):
    (host.input / "letter.jpg").write_text("Dear photographer,")
    entry = submit(
        host,
        {
            "1": {
                "class_type": "PortraitLoadPhotos",
                "inputs": {"folder": "", "files": "letter.jpg", "max_photos": 0},
            },
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        },
    )
    errors = [data for kind, data in entry["status"]["messages"] if kind == "execution_error"]
    assert "letter.jpg is not a picture" in errors[0]["exception_message"]
