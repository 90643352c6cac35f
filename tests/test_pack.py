"""The pack as the real host sees it: its nodes, their words, their help, its templates."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[1]
NODES = [
    "PortraitLoadPhotos",
    "PortraitPhotoReport",
    "PortraitFaceCrop",
    "PortraitFacePaste",
    "PortraitFaceDetector",
    "PortraitFaceParts",
    "PortraitFacePose",
    "PortraitRetouch",
    "PortraitRestoreFace",
    "PortraitIdentityScore",
    "PortraitIdentityGuard",
    "PortraitPosePreset",
    "PortraitToneFilter",
    "PortraitLoadSubject",
    "PortraitTrainLoRA",
    "PortraitPocketModels",
    "PortraitModelHashes",
    "PortraitHandOverSubject",
    "PortraitTakeInSubject",
    "PortraitModelFamily",
    "PortraitPrompt",
    "PortraitKit",
    "PortraitOpenKit",
]
LANGUAGES = ("en", "ko")


def get(host, path: str) -> bytes:
    with urllib.request.urlopen(host.url + path, timeout=60) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def object_info(host) -> dict:
    return json.loads(get(host, "/object_info"))


def test_the_host_loads_the_pack_without_a_complaint(host, object_info):
    assert set(NODES) <= set(object_info)
    log = host.log.read_text("utf-8")
    assert "IMPORT FAILED" not in log
    assert "Unable to parse pyproject" not in log


def test_no_node_of_the_pack_is_missing_from_this_list(object_info):
    assert sorted(name for name in object_info if name.startswith("Portrait")) == sorted(NODES)


@pytest.mark.parametrize("node", NODES)
def test_every_widget_and_socket_has_a_tooltip(object_info, node):
    info = object_info[node]
    assert info["category"].startswith("Portrait Studio/")
    assert info["description"]
    for section in ("required", "optional"):
        for name, (_, options) in info["input"].get(section, {}).items():
            assert options.get("tooltip"), f"{node}.{name}"
    assert all(info["output_tooltips"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", NODES)
def test_every_node_has_a_help_page_where_the_frontend_looks_for_it(host, node, language):
    page = get(host, f"/extensions/portrait-studio/docs/{node}/{language}.md").decode()
    assert len(page) > 200


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", NODES)
def test_every_label_is_translated(host, object_info, node, language):
    words = json.loads(get(host, "/i18n"))[language]["nodeDefs"][node]
    info = object_info[node]
    inputs = {name for section in ("required", "optional") for name in info["input"].get(section, {})}
    assert words["display_name"]
    assert set(words["inputs"]) == inputs
    assert set(words["outputs"]) == {str(index) for index in range(len(info["output"]))}
    for said in (*words["inputs"].values(), *words["outputs"].values()):
        assert said["name"]
        assert said["tooltip"]


def test_the_graphs_are_offered_as_templates_with_a_thumbnail(host):
    offered = json.loads(get(host, "/workflow_templates"))["portrait-studio"]
    assert sorted(offered) == sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))
    for name in offered:
        address = f"/api/workflow_templates/portrait-studio/{quote(name)}"
        assert json.loads(get(host, f"{address}.json"))["nodes"]
        assert get(host, f"{address}.jpg")[:2] == b"\xff\xd8"
