"""What is found wrong with a graph before it is queued."""

from __future__ import annotations

import copy
import json

import pytest

from portrait_studio.runner.graph import Problem, check, check_prompt, parse, prune, to_api

from .features import FEATURES, MUTED, picture, text_to_image
from .sketch import Sketch
from .test_parameters import STUDIO


@pytest.fixture
def host(info: dict) -> dict:
    """A host that has what the test graphs ask for."""
    classes = copy.deepcopy(info)
    classes["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = [
        "pocket.safetensors",
        "sub/real.safetensors",
    ]
    classes["LoadImage"]["input"]["required"]["image"][0] = ["face.png"]
    classes["UpscaleModelLoader"]["input"]["required"]["model_name"] = ["COMBO", {"options": ["x4.pth"]}]
    return classes


def found(sketch: Sketch, host: dict, **options) -> list[Problem]:
    return check(parse(sketch.graph(), "shared.json"), host, **options)


def only(findings: list[Problem]) -> Problem:
    assert len(findings) == 1, findings
    assert findings[0].message.endswith(".") and "\n" not in findings[0].message
    return findings[0]


def sampled(host: dict, values: tuple = (7, "fixed", 20, 6.5, "euler", "normal", 1)) -> Sketch:
    sketch = Sketch(host)
    text_to_image(sketch, values)
    return sketch


def test_a_sound_graph_has_no_findings(host: dict):
    assert found(sampled(host), host) == []


def test_a_broken_graph_is_a_finding_and_no_exception(host: dict):
    sketch = Sketch(host)
    picture(sketch)
    sketch.add("workflow>old group")
    sketch.add("SetNode", ["x"], inputs=[("IMAGE", "IMAGE")])
    getter = sketch.add("GetNode", ["y"], outputs=[("IMAGE", "IMAGE")])
    preview = sketch.add("PreviewImage")
    sketch.link(getter, 0, preview, "images")
    assert only(found(sketch, host)).kind == "graph"


def test_a_missing_class_is_told_with_the_pack_it_is_known_to_come_from(host: dict):
    sketch = Sketch(host)
    picture(sketch)
    sketch.add("FaceDetailer", node_id=8)
    sketch.add("FaceDetailer", node_id=9)
    finding = only(found(sketch, host))
    assert (finding.level, finding.kind, finding.node) == ("error", "node_missing", "8")
    assert "'FaceDetailer' (node 8, 9)" in finding.message
    assert "pack comfyui-impact-pack (https://github.com/ltdrdata/ComfyUI-Impact-Pack)" in finding.message


def test_the_pack_saved_in_the_node_goes_before_what_is_known(host: dict):
    sketch = Sketch(host)
    picture(sketch)
    sketch.add("FaceDetailer", properties={"cnr_id": "a-fork", "ver": "2.0.1"})
    sketch.add("Oddity", properties={"aux_id": "somebody/odd-nodes"})
    sketch.add("NewInCore", properties={"cnr_id": "comfy-core"})
    sketch.add("Mystery")
    messages = [finding.message for finding in found(sketch, host)]
    assert "it comes from the pack a-fork 2.0.1." in messages[0]
    assert "it comes from the pack somebody/odd-nodes." in messages[1]
    assert "comfy-core: update ComfyUI" in messages[2]
    assert "no pack is known for it" in messages[3]


def test_the_version_that_the_graph_requires_is_told(host: dict):
    sketch = Sketch(host)
    picture(sketch)
    sketch.add("FaceDetailer", properties={"cnr_id": "comfyui-impact-pack", "ver": "1.0"})
    sketch.add("OwnNode")
    packs = [{"name": "comfyui-impact-pack", "version": "8.15"}, {"name": "own", "version": "3", "nodes": ["OwnNode"]}]
    sketch.extra = {"portrait_studio": {"name": "x", "version": "1", "requires": {"packs": packs}}}
    messages = [finding.message for finding in found(sketch, host)]
    assert "comfyui-impact-pack 8.15" in messages[0]
    assert "pack own 3" in messages[1]


def test_a_missing_class_that_is_muted_is_no_finding(host: dict):
    sketch = Sketch(host)
    picture(sketch)
    sketch.add("FaceDetailer", mode=MUTED)
    assert found(sketch, host) == []


def test_links_from_a_missing_class_are_not_complained_about_twice(host: dict):
    sketch = Sketch(host)
    unknown = sketch.add("FaceDetailer", outputs=[("image", "IMAGE")])
    preview = sketch.add("PreviewImage")
    sketch.link(unknown, 0, preview, "images")
    assert only(found(sketch, host)).kind == "node_missing"


def test_a_missing_model_is_told_with_source_size_and_licence_from_the_requirements(host: dict):
    sketch = sampled(host)
    sketch.nodes[0]["widgets_values"] = ["real-vision.safetensors"]
    model = {
        "role": "checkpoint",
        "folder": "checkpoints",
        "file": "real-vision.safetensors",
        "source": "https://example.org/real-vision",
        "size": 2_130_000_000,
        "license": "CreativeML OpenRAIL-M",
        "node": 1,
        "input": "ckpt_name",
    }
    sketch.extra = {"portrait_studio": {"name": "x", "version": "1", "requires": {"models": [model]}}}
    finding = only(found(sketch, host, models={"checkpoints": ["pocket.safetensors"]}))
    assert (finding.kind, finding.node, finding.input) == ("model_missing", "1", "ckpt_name")
    for words in (
        "checkpoint 'real-vision.safetensors' (2.1 GB)",
        "models/checkpoints",
        "https://example.org/real-vision",
    ):
        assert words in finding.message
    assert "(licence: CreativeML OpenRAIL-M)" in finding.message


def test_a_missing_model_that_no_input_names_is_told_unless_the_graph_does_without_it(host: dict):
    sketch = sampled(host)
    model = {"role": "detector", "folder": "ultralytics", "file": "hand.pt", "source": "x", "license": "AGPL-3.0"}
    listed = {"checkpoints": ["pocket.safetensors"], "ultralytics": []}
    for optional, kinds in ((False, ["model_missing"]), (True, [])):
        needs = {"models": [model | {"optional": optional}]}
        sketch.extra = {"portrait_studio": {"name": "x", "version": "1", "requires": needs}}
        told = found(sketch, host, models=listed)
        assert [finding.kind for finding in told if "hand.pt" in finding.message] == kinds


def test_a_missing_model_is_told_with_the_source_that_the_node_carries(host: dict):
    sketch = sampled(host)
    sketch.nodes[0] |= {"widgets_values": ["other.safetensors"]}
    url = "https://example.org/other.safetensors"
    sketch.nodes[0]["properties"] = {"models": [{"name": "other.safetensors", "url": url, "directory": "checkpoints"}]}
    assert (
        f"in models/checkpoints, which the host does not have: get it from {url}" in only(found(sketch, host)).message
    )


def test_a_missing_model_of_no_known_source_is_told_with_the_nearest_there_is(host: dict):
    sketch = sampled(host)
    sketch.nodes[0]["widgets_values"] = ["pockets.safetensors"]
    finding = only(found(sketch, host))
    assert finding.kind == "model_missing"
    assert "nearest: 'pocket.safetensors'" in finding.message


@pytest.mark.parametrize("name", ["real.safetensors", "SD15\\real.safetensors", "sub\\real.safetensors"])
def test_the_same_file_in_another_folder_is_pointed_out(name: str, host: dict):
    sketch = sampled(host)
    sketch.nodes[0]["widgets_values"] = [name]
    assert "which the host has as 'sub/real.safetensors'" in only(found(sketch, host)).message


def test_another_model_in_place_of_the_required_one_is_fine(host: dict):
    sketch = sampled(host)
    model = {"role": "checkpoint", "folder": "checkpoints", "file": "big.safetensors", "node": 1, "input": "ckpt_name"}
    sketch.extra = {"portrait_studio": {"name": "x", "version": "1", "requires": {"models": [model]}}}
    assert found(sketch, host, models={"checkpoints": ["pocket.safetensors"]}) == []


def test_a_required_model_that_no_input_names_is_looked_for_in_its_folder(host: dict):
    sketch = sampled(host)
    model = {"role": "face model", "folder": "insightface", "file": "buffalo.onnx", "source": "its authors"}
    sketch.extra = {"portrait_studio": {"name": "x", "version": "1", "requires": {"models": [model]}}}
    finding = only(found(sketch, host, models={"insightface": []}))
    assert "face model 'buffalo.onnx' in models/insightface" in finding.message
    assert found(sketch, host, models={"insightface": ["buffalo.onnx"]}) == []
    assert found(sketch, host, models={}) == []


def test_a_choice_of_a_v3_combo_that_the_host_would_not_check_is_checked(host: dict):
    sketch = Sketch(host)
    picture(sketch, ("ImageQuantize", (16, "bayer-3"), 0))
    finding = only(found(sketch, host))
    assert (finding.kind, finding.node, finding.input) == ("value", "2", "dither")
    assert "has no choice 'bayer-3'; nearest:" in finding.message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((7, "fixed", 0, 6.5, "euler", "normal", 1), "'steps' of KSampler (node 5) is 0, below its least value 1"),
        (
            (7, "fixed", 20, 600, "euler", "normal", 1),
            "'cfg' of KSampler (node 5) is 600, above its greatest value 100",
        ),
        (
            (7, "fixed", "many", 6.5, "euler", "normal", 1),
            "'steps' of KSampler (node 5) is 'many', which is not a number",
        ),
        ((7, "fixed", 20, 6.5, "eular", "normal", 1), "has no choice 'eular'; nearest: 'euler'"),
    ],
)
def test_a_bad_value_is_told_with_node_and_bound(values: tuple, words: str, host: dict):
    finding = only(found(sampled(host, values), host))
    assert finding.kind == "value"
    assert words in finding.message


def test_a_photo_that_is_not_on_the_host_is_told_unless_the_runner_brings_it(host: dict):
    sketch = Sketch(host)
    nodes = picture(sketch)
    nodes[0]["widgets_values"][0] = "mine.png"
    finding = only(found(sketch, host))
    assert (finding.level, finding.kind) == ("error", "file_missing")
    sketch.extra = {"portrait_studio": {"name": "x", "version": "1", "photos": {"node": 1, "input": "image"}}}
    assert found(sketch, host) == []


def test_a_file_in_a_folder_below_input_is_a_warning_because_the_host_lists_none(host: dict):
    sketch = Sketch(host)
    picture(sketch)[0]["widgets_values"][0] = "album/mine.png"
    assert only(found(sketch, host)).level == "warning"


def test_choices_that_the_canvas_fetches_from_elsewhere_are_not_judged(host: dict):
    host["LoadImage"]["input"]["required"]["image"][1]["remote"] = {"route": "/internal/files/output"}
    sketch = Sketch(host)
    picture(sketch)[0]["widgets_values"][0] = "elsewhere.png"
    assert found(sketch, host) == []


def test_a_missing_input_is_told(host: dict):
    sketch = Sketch(host)
    sketch.add("PreviewImage")
    finding = only(found(sketch, host))
    assert (finding.kind, finding.input) == ("input_missing", "images")


def test_a_link_of_the_wrong_type_is_told_with_both_ends(host: dict):
    sketch = sampled(host)
    sketch.links[-1]["origin_id"], sketch.links[-1]["origin_slot"] = 4, 0
    finding = only(found(sketch, host))
    assert finding.kind == "link"
    assert "'images' of Save Image (node 7) takes IMAGE" in finding.message
    assert "(node 4) gives LATENT" in finding.message


def test_a_link_to_an_output_that_the_class_lost_is_told(host: dict):
    sketch = sampled(host)
    sketch.nodes[5]["outputs"].append({"name": "mask", "type": "MASK", "links": []})
    sketch.links[-1]["origin_slot"] = 1
    assert "output 1 of VAE Decode (node 6), which has 1" in only(found(sketch, host)).message


def test_an_any_socket_takes_every_type(host: dict):
    sketch = Sketch(host)
    latent = sketch.add("EmptyLatentImage", [64, 64, 1])
    preview = sketch.add("PreviewAny")
    sketch.link(latent, 0, preview, "source")
    assert found(sketch, host) == []


def test_a_graph_without_an_output_node_is_told(host: dict):
    sketch = Sketch(host)
    sketch.add("EmptyLatentImage", [64, 64, 1])
    assert "saves and shows nothing" in only(found(sketch, host)).message


def test_settings_are_checked_as_if_applied(host: dict):
    graph = FEATURES["plain"](host)
    graph["extra"] = {"portrait_studio": json.loads(json.dumps({**STUDIO, "photos": {"node": 4, "input": "width"}}))}
    opened = parse(graph)
    assert check(opened, host, settings={"seed": 5, "checkpoint": "sub/real.safetensors"}) == []
    assert only(check(opened, host, settings={"checkpoint": "gone.safetensors"})).kind == "model_missing"
    assert "nearest: 'seed'" in only(check(opened, host, settings={"sead": 1})).message


def test_values_that_a_packs_script_may_place_are_a_warning(host: dict):
    host["EmptyImage"]["python_module"] = "custom_nodes.some-pack"
    sketch = Sketch(host)
    image = sketch.add("EmptyImage", [64, 64, 1, 0, "an extra", 5])
    preview = sketch.add("PreviewImage")
    sketch.link(image, 0, preview, "images")
    finding = only(found(sketch, host))
    assert (finding.level, finding.kind) == ("warning", "widgets")
    assert "6 saved values for 4 widgets" in finding.message


def test_a_misspelt_input_in_an_api_prompt_is_told_with_the_nearest_name(host: dict):
    prompt = prune(to_api(parse(FEATURES["plain"](host)), host), host)
    assert check_prompt(prompt, host) == []
    prompt["5"]["inputs"]["stps"] = 3
    finding = only(check_prompt(prompt, host))
    assert (finding.level, finding.kind, finding.input) == ("error", "input_unknown", "stps")
    assert "has no input 'stps'; nearest: 'steps'" in finding.message


def test_what_only_the_canvas_reads_is_no_misspelling(host: dict):
    assert (
        check_prompt(
            {"1": {"class_type": "LoadImage", "inputs": {"image": "face.png", "upload": "image"}}} | _save(), host
        )
        == []
    )


def _save() -> dict:
    return {"2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}


def test_an_api_prompt_with_links_to_nowhere_and_unknown_classes_is_told(host: dict):
    prompt = {
        "1": {"class_type": "Nobody", "inputs": {}},
        **_save(),
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}},
    }
    kinds = [(finding.kind, finding.node) for finding in check_prompt(prompt, host)]
    assert kinds == [("node_missing", "1"), ("link", "3")]
