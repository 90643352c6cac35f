"""Small graphs, each about one thing the frontend does between loading a file and queueing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .sketch import Sketch

Info = dict[str, Any]
FEATURES: dict[str, Callable[[Info], dict]] = {}

MUTED, BYPASSED = 2, 4
SAMPLER = (7, "fixed", 20, 6.5, "euler", "normal", 1)


def feature(draw: Callable[[Info], dict]) -> Callable[[Info], dict]:
    """Register a graph under its function's name."""
    FEATURES[draw.__name__] = draw
    return draw


def text_to_image(sketch: Sketch, values: tuple = SAMPLER, mode: int = 0) -> dict[str, dict]:
    """Draw the usual chain and return its nodes by role."""
    nodes = {
        "model": sketch.add("CheckpointLoaderSimple", ["pocket.safetensors"]),
        "positive": sketch.add("CLIPTextEncode", ["a portrait"]),
        "negative": sketch.add("CLIPTextEncode", ["blurry"]),
        "latent": sketch.add("EmptyLatentImage", [256, 320, 1]),
        "sampler": sketch.add("KSampler", values, mode=mode),
        "decode": sketch.add("VAEDecode"),
        "save": sketch.add("SaveImage", ["portrait"]),
    }
    sketch.link(nodes["model"], 0, nodes["sampler"], "model")
    sketch.link(nodes["model"], 1, nodes["positive"], "clip")
    sketch.link(nodes["model"], 1, nodes["negative"], "clip")
    sketch.link(nodes["positive"], 0, nodes["sampler"], "positive")
    sketch.link(nodes["negative"], 0, nodes["sampler"], "negative")
    sketch.link(nodes["latent"], 0, nodes["sampler"], "latent_image")
    sketch.link(nodes["sampler"], 0, nodes["decode"], "samples")
    sketch.link(nodes["model"], 2, nodes["decode"], "vae")
    sketch.link(nodes["decode"], 0, nodes["save"], "images")
    return nodes


def picture(sketch: Sketch, *chain: tuple[str, tuple, int]) -> list[dict]:
    """Draw LoadImage -> the given image nodes -> PreviewImage."""
    nodes = [sketch.add("LoadImage", ["face.png", "image"])]
    for kind, values, mode in chain:
        nodes.append(sketch.add(kind, values, mode=mode))
        sketch.link(nodes[-2], 0, nodes[-1], "image")
    nodes.append(sketch.add("PreviewImage"))
    sketch.link(nodes[-2], 0, nodes[-1], "images")
    return nodes


@feature
def plain(info: Info) -> dict:
    sketch = Sketch(info)
    text_to_image(sketch)
    return sketch.graph()


@feature
def version_one(info: Info) -> dict:
    sketch = Sketch(info)
    text_to_image(sketch)
    return sketch.graph(version=1)


@feature
def text_node_ids_and_link_zero(info: Info) -> dict:
    sketch = Sketch(info)
    loader = sketch.add("LoadImage", ["face.png", "image"], node_id="loader")
    scale = sketch.add("ImageScale", ["area", 64, 64, "disabled"], node_id=40)
    preview = sketch.add("PreviewImage", node_id=3)
    sketch.link(loader, 0, scale, "image", link_id=0)
    sketch.link(scale, 0, preview, "images", link_id=9)
    return sketch.graph()


@feature
def large_and_odd_values(info: Info) -> dict:
    sketch = Sketch(info)
    text_to_image(sketch, (1125899906842623, "randomize", 20, 6, "sample_euler", "normal", 0.55))
    sketch.nodes[1]["widgets_values"] = ["line one\r\nline two\rline three"]
    sketch.nodes[2]["widgets_values"] = [None]
    return sketch.graph()


@feature
def missing_short_and_surplus_values(info: Info) -> dict:
    sketch = Sketch(info)
    text_to_image(sketch, (3, "fixed", 12))
    sketch.nodes[3]["widgets_values"] = [None, 64, 2, "left over", 5]
    del sketch.nodes[6]["widgets_values"]
    return sketch.graph()


@feature
def combos_of_both_shapes(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = picture(sketch, ("ImageQuantize", (16, "bayer-4"), 0), ("ImageScaleToTotalPixels", ("lanczos", 0.5), 0))
    upscaler = sketch.add("UpscaleModelLoader", ["gone.pth"])
    upscale = sketch.add("ImageUpscaleWithModel")
    sketch.link(upscaler, 0, upscale, "upscale_model")
    sketch.link(nodes[-2], 0, upscale, "image")
    preview = sketch.add("PreviewImage")
    sketch.link(upscale, 0, preview, "images")
    return sketch.graph()


@feature
def combo_without_choices_or_value(info: Info) -> dict:
    sketch = Sketch(info)
    text_to_image(sketch)
    del sketch.nodes[0]["widgets_values"]
    lora = sketch.add("LoraLoaderModelOnly", [None])
    sketch.link(sketch.nodes[0], 0, lora, "model")
    return sketch.graph()


@feature
def list_value(info: Info) -> dict:
    sketch = Sketch(info)
    picture(sketch, ("ImageScale", (["area", "lanczos"], 64, 64, "disabled"), 0))
    return sketch.graph()


@feature
def widgets_fed_by_nodes(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    steps = sketch.add("PrimitiveInt", [9, "fixed"])
    words = sketch.add("PrimitiveStringMultiline", ["a portrait of somebody"])
    sketch.link(steps, 0, nodes["sampler"], "steps")
    sketch.link(words, 0, nodes["positive"], "text")
    return sketch.graph()


@feature
def forced_inputs_with_values_of_old_frontends(info: Info) -> dict:
    sketch = Sketch(info)
    words = sketch.add("PrimitiveString", ["ugly"])
    old = sketch.add("RecraftTextToImageNode", ["a cup", "1024x1024", 2, 5, "randomize", "dummy"])
    new = sketch.add("RecraftTextToImageNode", ["a cup", "1024x1024", 2, 5, "randomize"])
    extend = sketch.add("KlingVideoExtendNode", ["go on", "stop", 0.7, "dummy"])
    for node, name in ((old, "negative_prompt"), (new, "negative_prompt"), (extend, "video_id")):
        sketch.link(words, 0, node, name)
    return sketch.graph()


@feature
def inputs_in_another_order(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    sampler = nodes["sampler"]
    sampler["inputs"].reverse()
    for link in sketch.links:
        if link["target_id"] == sampler["id"]:
            link["target_slot"] = len(sampler["inputs"]) - 1 - link["target_slot"]
    return sketch.graph()


@feature
def inputs_that_the_class_lost(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = picture(sketch, ("ImageScale", ("area", 64, 64, "disabled"), 0))
    number = sketch.add("PrimitiveInt", [5, "fixed"])
    nodes[1]["inputs"].append({"name": "depth", "type": "INT", "link": None, "widget": {"name": "depth"}})
    nodes[1]["inputs"].append({"name": "mask", "type": "MASK", "link": None})
    sketch.link(number, 0, nodes[1], "depth")
    sketch.link(nodes[0], 1, nodes[1], "mask")
    return sketch.graph()


@feature
def renamed_classes(info: Info) -> dict:
    sketch = Sketch(info)
    sketch.add("T2IAdapterLoader", ["adapter.safetensors"], outputs=[("CONTROL_NET", "CONTROL_NET")])
    return sketch.graph()


@feature
def notes_are_dropped(info: Info) -> dict:
    sketch = Sketch(info)
    picture(sketch)
    sketch.add("Note", ["mind the gap"])
    sketch.add("MarkdownNote", ["# mind\nthe gap"])
    return sketch.graph()


@feature
def players_and_uploads(info: Info) -> dict:
    sketch = Sketch(info)
    image = sketch.add("LoadImage", ["face.png", "image"])
    preview = sketch.add("PreviewAny")
    sketch.link(image, 0, preview, "source")
    audio = sketch.add("LoadAudio", ["voice.wav", None, ""])
    save = sketch.add("SaveAudioMP3", ["audio/ComfyUI", "V0"])
    sketch.link(audio, 0, save, "audio")
    sketch.add("LoadImage", [["one.png", "two.png"], "image"])
    sketch.add("LoadImage", ["", "image"])
    sketch.add("LoadImage", ["sub/one.png [temp]", "image"])
    sketch.add("Preview3D", ["model.glb", ""])
    return sketch.graph()


@feature
def dynamic_prompts(info: Info) -> dict:
    """Texts whose alternatives leave no choice, so that the browser's chance plays no part."""
    sketch = Sketch(info)
    texts = (
        "a {red} coat // not sent",
        "a /* not\nsent */ coat, {big {blue}} eyes",
        r"braces \{kept\} and \| bars \\ and {an open one",
        "see http://example.org/x for more\nnext line",
        "{}{same|same}",
        "",
    )
    for text in texts:
        sketch.add("CLIPTextEncode", [text])
    return sketch.graph()


@feature
def file_names_from_widgets(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch, (11, "fixed", 20, 7.0, "euler", "normal", 0.25))
    nodes["sampler"]["properties"] = {"Node name for S&R": "Sampler"}
    nodes["latent"]["title"] = "Canvas size"
    nodes["positive"]["widgets_values"] = ["a/b: c?"]
    nodes["save"]["widgets_values"] = [
        "%Sampler.seed%_%Sampler.cfg%_%Sampler.denoise%_%Canvas size.width%_%CLIPTextEncode.text%"
        "_%Nobody.seed%_%Sampler.nothing%_%width%_%a.b.c%_100%"
    ]
    return sketch.graph()


@feature
def primitives(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    values: tuple[tuple[str, str, list, list[tuple[str, str]]], ...] = (
        ("INT", "seed", [42, "randomize"], [("sampler", "seed")]),
        ("FLOAT", "cfg", [4.56789, "fixed"], [("sampler", "cfg")]),
        ("COMBO", "sampler_name", ["dpmpp_2m", "fixed", ""], [("sampler", "sampler_name")]),
        ("STRING", "text", ["from a primitive"], [("positive", "text"), ("negative", "text")]),
        ("INT", "width", [123, "fixed"], [("latent", "width"), ("latent", "height")]),
    )
    for kind, name, saved, targets in values:
        primitive = sketch.add("PrimitiveNode", saved, outputs=[(kind, kind)], title=name)
        primitive["outputs"][0]["widget"] = {"name": name}
        for role, target in targets:
            sketch.link(primitive, 0, nodes[role], target)
    sketch.add("PrimitiveNode", [], outputs=[("connect to widget input", "*")])
    return sketch.graph()


@feature
def primitive_out_of_range(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = picture(sketch, ("ImageBlur", (1, 1.0), 0))
    for name, kind, value in (("blur_radius", "INT", 99), ("sigma", "FLOAT", 0.04)):
        primitive = sketch.add("PrimitiveNode", [value, "fixed"], outputs=[(kind, kind)])
        primitive["outputs"][0]["widget"] = {"name": name}
        sketch.link(primitive, 0, nodes[1], name)
    return sketch.graph()


@feature
def primitives_that_hold_no_number(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    for value, name in (("many", "steps"), ("", "cfg"), (True, "seed"), (" 0.30 ", "denoise"), (None, "sampler_name")):
        primitive = sketch.add("PrimitiveNode", [value, "fixed"], outputs=[("*", "*")])
        sketch.link(primitive, 0, nodes["sampler"], name)
    return sketch.graph()


@feature
def primitive_for_unlike_targets(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    blur = sketch.add("ImageBlur", [1, 1.0])
    sketch.link(nodes["decode"], 0, blur, "image")
    for value, targets in (
        (50_000, (("sampler", "steps"), ("latent", "width"))),
        (0.0123, (("sampler", "denoise"), ("blur", "sigma"), ("sampler", "cfg"))),
    ):
        primitive = sketch.add("PrimitiveNode", [value, "fixed"], outputs=[("*", "*")])
        for role, name in targets:
            sketch.link(primitive, 0, {**nodes, "blur": blur}[role], name)
    return sketch.graph()


@feature
def an_unused_definition_changes_nothing(info: Info) -> dict:
    inner = _detail(info, "Inner")
    unused = Sketch(info, "Unused")
    unused.add(inner, [12])
    sketch = Sketch(info)
    sketch.definitions = [inner, unused]
    number = sketch.add("EmptyLatentImage", [64, 64, 1], mode=MUTED)
    node = sketch.add(inner, [34])
    sketch.link(number, 0, node, "image")
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def primitive_without_saved_value(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    primitive = sketch.add("PrimitiveNode", [], outputs=[("INT", "INT")])
    primitive["outputs"][0]["widget"] = {"name": "steps"}
    del primitive["widgets_values"]
    sketch.link(primitive, 0, nodes["sampler"], "steps")
    return sketch.graph()


@feature
def primitive_with_replacement(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    properties = {"Run widget replace on values": True}
    primitive = sketch.add(
        "PrimitiveNode", ["seed %KSampler.seed%"], outputs=[("STRING", "STRING")], properties=properties
    )
    primitive["outputs"][0]["widget"] = {"name": "text"}
    sketch.link(primitive, 0, nodes["positive"], "text")
    return sketch.graph()


def _reroute(sketch: Sketch, kind: str = "*", mode: int = 0) -> dict:
    return sketch.add("Reroute", inputs=[("", "*")], outputs=[("", kind)], mode=mode)


@feature
def reroute_nodes(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = picture(sketch)
    first, second, loose = _reroute(sketch, "IMAGE"), _reroute(sketch, "IMAGE"), _reroute(sketch)
    sketch.link(nodes[0], 0, first, "")
    sketch.link(first, 0, second, "")
    scale = sketch.add("ImageScale", ["area", 64, 64, "disabled"])
    sketch.link(second, 0, scale, "image")
    preview = sketch.add("PreviewImage")
    sketch.link(loose, 0, preview, "images")
    return sketch.graph()


@feature
def native_reroutes(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = picture(sketch, ("ImageScale", ("area", 64, 64, "disabled"), 0))
    sketch.extra = {
        "reroutes": [
            {"id": 1, "pos": [50, 50], "linkIds": [1]},
            {"id": 2, "parentId": 1, "pos": [70, 50], "linkIds": [1]},
            {"id": 3, "pos": [90, 90], "linkIds": [], "floating": {"slotType": "output"}},
        ],
        "linkExtensions": [{"id": 1, "parentId": 2}],
    }
    graph = sketch.graph()
    graph["floatingLinks"] = [
        {
            "id": 1,
            "origin_id": nodes[0]["id"],
            "origin_slot": 0,
            "target_id": -1,
            "target_slot": -1,
            "type": "IMAGE",
            "parentId": 3,
        }
    ]
    return graph


@feature
def bypass_matches_types(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    lora = sketch.add("LoraLoader", ["a.safetensors", 1, 1], mode=BYPASSED)
    sketch.link(nodes["model"], 0, lora, "model")
    sketch.link(nodes["model"], 1, lora, "clip")
    nodes["sampler"]["inputs"][0]["link"] = None
    nodes["positive"]["inputs"][0]["link"] = None
    sketch.links = [link for link in sketch.links if link["id"] not in (1, 2)]
    for slot, gone in ((0, 1), (1, 2)):
        nodes["model"]["outputs"][slot]["links"].remove(gone)
    sketch.link(lora, 0, nodes["sampler"], "model", link_id=30)
    sketch.link(lora, 1, nodes["positive"], "clip", link_id=31)
    return sketch.graph()


@feature
def bypass_chain_and_dead_end(info: Info) -> dict:
    sketch = Sketch(info)
    picture(sketch, ("ImageScale", ("area", 64, 64, "disabled"), BYPASSED), ("ImageInvert", (), BYPASSED))
    made = sketch.add("EmptyImage", [64, 64, 1, 0], mode=BYPASSED)
    preview = sketch.add("PreviewImage")
    sketch.link(made, 0, preview, "images")
    mask = sketch.add("LoadImage", ["face.png", "image"])
    convert = sketch.add("MaskToImage", mode=BYPASSED)
    sketch.link(mask, 1, convert, "mask")
    last = sketch.add("PreviewImage")
    sketch.link(convert, 0, last, "images")
    return sketch.graph()


@feature
def bypass_into_any_type(info: Info) -> dict:
    sketch = Sketch(info)
    first = sketch.add("LoadImage", ["one.png", "image"])
    stitch = sketch.add("ImageCompositeMasked", [0, 0, False], mode=BYPASSED)
    sketch.link(first, 0, stitch, "source")
    sketch.link(first, 1, stitch, "mask")
    preview = sketch.add("PreviewAny")
    sketch.link(stitch, 0, preview, "source")
    reroute = _reroute(sketch, "IMAGE")
    sketch.link(stitch, 0, reroute, "")
    image = sketch.add("PreviewImage")
    sketch.link(reroute, 0, image, "images")
    return sketch.graph()


@feature
def bypass_with_linked_widgets(info: Info) -> dict:
    sketch = Sketch(info)
    words = sketch.add("PrimitiveString", ["left"])
    join = sketch.add("StringConcatenate", ["a", "b", "-"], mode=BYPASSED)
    sketch.link(words, 0, join, "string_b")
    encode = sketch.add("CLIPTextEncode", ["own text"])
    sketch.link(join, 0, encode, "text")
    return sketch.graph()


@feature
def muted_nodes(info: Info) -> dict:
    sketch = Sketch(info)
    text_to_image(sketch, mode=MUTED)
    return sketch.graph()


@feature
def unknown_nodes_that_are_off(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = picture(sketch)
    sockets: dict[str, Any] = {"inputs": [("image", "IMAGE")], "outputs": [("image", "IMAGE")]}
    silent = sketch.add("NobodyHasThis", mode=MUTED, **sockets)
    passed = sketch.add("NobodyHasThat", mode=BYPASSED, **sockets)
    sketch.link(nodes[0], 0, silent, "image")
    sketch.link(nodes[0], 0, passed, "image")
    for origin in (silent, passed):
        preview = sketch.add("PreviewImage")
        sketch.link(origin, 0, preview, "images")
    return sketch.graph()


def _detail(info: Info, name: str = "Detail", *, prompt: bool = False, compressed: bool = False) -> Sketch:
    """Draw a subgraph: image -> scale to a promoted width -> image, and with `prompt` an encoder with promoted text."""
    inner = Sketch(info, name, compressed=compressed)
    image, width = inner.port("image", "IMAGE"), inner.port("width", "INT")
    inner.port("IMAGE", "IMAGE", output=True)
    scale = inner.add("ImageScale", ["area", 100, 200, "disabled"])
    inner.link(None, image, scale, "image")
    inner.link(None, width, scale, "width")
    inner.link(scale, 0, None, "IMAGE")
    if prompt:
        text, clip = inner.port("text", "STRING"), inner.port("clip", "CLIP")
        inner.port("CONDITIONING", "CONDITIONING", output=True)
        encode = inner.add("CLIPTextEncode", ["inner text"])
        inner.link(None, clip, encode, "clip")
        inner.link(None, text, encode, "text")
        inner.link(encode, 0, None, "CONDITIONING")
    return inner


@feature
def subgraph_with_promoted_widget(info: Info) -> dict:
    sketch = Sketch(info)
    inner = _detail(info)
    sketch.definitions = [inner]
    loader = sketch.add("LoadImage", ["face.png", "image"])
    for values in ([333], [], [444]):
        node = sketch.add(inner, values)
        sketch.link(loader, 0, node, "image")
        preview = sketch.add("PreviewImage")
        sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def compressed_inputs(info: Info) -> dict:
    sketch = Sketch(info, compressed=True)
    nodes = text_to_image(sketch)
    steps = sketch.add("PrimitiveInt", [9, "fixed"])
    sketch.link(steps, 0, nodes["sampler"], "steps")
    return sketch.graph()


@feature
def compressed_subgraph_promotes_another_widget(info: Info) -> dict:
    """From a picture's compressed graph the frontend promotes the widget that now stands in the saved slot."""
    sketch = Sketch(info, compressed=True)
    inner = _detail(info, compressed=True)
    sketch.definitions = [inner]
    for values in ([333], []):
        node = sketch.add(inner, values)
        preview = sketch.add("PreviewImage")
        sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def subgraph_with_saved_widget_inputs(info: Info) -> dict:
    sketch = Sketch(info)
    inner = _detail(info, prompt=True)
    sketch.definitions = [inner]
    loader = sketch.add("LoadImage", ["face.png", "image"])
    inputs = [("image", "IMAGE"), ("width", "INT", "width"), ("text", "STRING", "text"), ("clip", "CLIP")]
    properties = {"proxyWidgets": [["-1", "text"], ["1", "height"], ["-1", "width"]]}
    node = sketch.add(inner, ["outer text", None, 777], inputs=inputs, properties=properties)
    sketch.link(loader, 0, node, "image")
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def subgraph_texts_are_shared(info: Info) -> dict:
    """Two instances with different texts: the frontend gives both the text that was loaded last."""
    sketch = Sketch(info)
    inner = _detail(info, prompt=True)
    sketch.definitions = [inner]
    model = sketch.add("CheckpointLoaderSimple", ["pocket.safetensors"])
    for values in ([64, "first text"], [128, "second text"]):
        node = sketch.add(inner, values)
        sketch.link(model, 1, node, "clip")
        preview = sketch.add("PreviewAny")
        sketch.link(node, 1, preview, "source")
    return sketch.graph()


@feature
def subgraph_widgets_fed_from_outside(info: Info) -> dict:
    sketch = Sketch(info)
    inner = _detail(info, prompt=True)
    sketch.definitions = [inner]
    number = sketch.add("PrimitiveInt", [640, "fixed"])
    node = sketch.add(inner, [64, "outer"])
    sketch.link(number, 0, node, "width")
    text = sketch.add("PrimitiveNode", ["by a primitive"], outputs=[("STRING", "STRING")])
    text["outputs"][0]["widget"] = {"name": "text"}
    sketch.link(text, 0, node, "text")
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    return sketch.graph()


def _nested(info: Info, outer_first: bool) -> dict:
    inner = _detail(info, "Inner", prompt=True)
    outer = Sketch(info, "Outer")
    image, size, text = outer.port("image", "IMAGE"), outer.port("size", "INT"), outer.port("text", "STRING")
    outer.port("IMAGE", "IMAGE", output=True)
    node = outer.add(inner, [55, "middle text"])
    outer.link(None, image, node, "image")
    outer.link(None, size, node, "width")
    outer.link(None, text, node, "text")
    outer.link(node, 0, None, "IMAGE")
    sketch = Sketch(info)
    sketch.definitions = [outer, inner] if outer_first else [inner, outer]
    loader = sketch.add("LoadImage", ["face.png", "image"])
    for values in ([999, "outermost text"], []):
        top = sketch.add(outer, values)
        sketch.link(loader, 0, top, "image")
        preview = sketch.add("PreviewImage")
        sketch.link(top, 0, preview, "images")
    return sketch.graph()


@feature
def nested_subgraphs_outer_first(info: Info) -> dict:
    return _nested(info, outer_first=True)


@feature
def nested_subgraphs_inner_first(info: Info) -> dict:
    return _nested(info, outer_first=False)


@feature
def nested_subgraphs_unlinked(info: Info) -> dict:
    inner = _detail(info, "Inner")
    outer = Sketch(info, "Outer")
    image = outer.port("image", "IMAGE")
    outer.port("IMAGE", "IMAGE", output=True)
    node = outer.add(inner, [55])
    outer.link(None, image, node, "image")
    outer.link(node, 0, None, "IMAGE")
    sketch = Sketch(info)
    sketch.definitions = [outer, inner]
    top = sketch.add(outer)
    preview = sketch.add("PreviewImage")
    sketch.link(top, 0, preview, "images")
    return sketch.graph()


@feature
def subgraphs_in_a_row(info: Info) -> dict:
    sketch = Sketch(info)
    inner = _detail(info)
    sketch.definitions = [inner]
    last = sketch.add("LoadImage", ["face.png", "image"], node_id=70)
    for number, width in ((12, 10), (3, 20), (25, 30)):
        node = sketch.add(inner, [width], node_id=number)
        sketch.link(last, 0, node, "image")
        last = node
    preview = sketch.add("PreviewImage", node_id=5)
    sketch.link(last, 0, preview, "images")
    return sketch.graph()


@feature
def subgraphs_that_are_off(info: Info) -> dict:
    sketch = Sketch(info)
    inner = _detail(info)
    sketch.definitions = [inner]
    loader = sketch.add("LoadImage", ["face.png", "image"])
    for mode in (BYPASSED, MUTED):
        node = sketch.add(inner, [64], mode=mode)
        sketch.link(loader, 0, node, "image")
        preview = sketch.add("PreviewImage")
        sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def reroutes_and_bypass_inside_a_subgraph(info: Info) -> dict:
    inner = Sketch(info, "Winding")
    image, mask = inner.port("image", "IMAGE"), inner.port("mask", "MASK")
    inner.port("IMAGE", "IMAGE", output=True)
    inner.port("unfed", "LATENT", output=True)
    first = _reroute(inner, "IMAGE")
    skipped = inner.add("ImageInvert", mode=BYPASSED)
    silent = inner.add("InvertMask", mode=MUTED)
    paste = inner.add("ImageCompositeMasked", [1, 2, True])
    inner.link(None, image, first, "")
    inner.link(first, 0, skipped, "image")
    inner.link(skipped, 0, paste, "destination")
    inner.link(first, 0, paste, "source")
    inner.link(None, mask, silent, "mask")
    inner.link(silent, 0, paste, "mask")
    inner.link(paste, 0, None, "IMAGE")
    inner.add("Note", ["inside"])
    sketch = Sketch(info)
    sketch.definitions = [inner]
    loader = sketch.add("LoadImage", ["face.png", "image"])
    node = sketch.add(inner)
    sketch.link(loader, 0, node, "image")
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    decode = sketch.add("VAEDecode")
    sketch.link(node, 1, decode, "samples")
    return sketch.graph()


@feature
def promoted_combo_upload_and_seed(info: Info) -> dict:
    inner = Sketch(info, "Promoted")
    file, seed, sampler = inner.port("image", "COMBO"), inner.port("seed", "INT"), inner.port("sampler_name", "COMBO")
    inner.port("IMAGE", "IMAGE", output=True)
    inner.port("LATENT", "LATENT", output=True)
    loader = inner.add("LoadImage", ["inner.png", "image"])
    sample = inner.add("KSampler", SAMPLER)
    inner.link(None, file, loader, "image")
    inner.link(None, seed, sample, "seed")
    inner.link(None, sampler, sample, "sampler_name")
    inner.link(loader, 0, None, "IMAGE")
    inner.link(sample, 0, None, "LATENT")
    sketch = Sketch(info)
    sketch.definitions = [inner]
    for values in (["outer.png", 99, "ddim"], []):
        node = sketch.add(inner, values)
        preview = sketch.add("PreviewImage")
        sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def one_input_for_two_widgets(info: Info) -> dict:
    inner = Sketch(info, "Square")
    image, side = inner.port("image", "IMAGE"), inner.port("side", "INT")
    inner.port("IMAGE", "IMAGE", output=True)
    scale = inner.add("ImageScale", ["area", 10, 20, "disabled"])
    inner.link(None, image, scale, "image")
    inner.link(None, side, scale, "width")
    inner.link(None, side, scale, "height")
    inner.link(scale, 0, None, "IMAGE")
    sketch = Sketch(info)
    sketch.definitions = [inner]
    node = sketch.add(inner, [48])
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def dynamic_prompt_promoted(info: Info) -> dict:
    """The frontend sends a promoted text as it stands, alternatives and all."""
    sketch = Sketch(info)
    inner = _detail(info, prompt=True)
    sketch.definitions = [inner]
    node = sketch.add(inner, [64, "a {red|blue} coat // kept"])
    preview = sketch.add("PreviewAny")
    sketch.link(node, 1, preview, "source")
    return sketch.graph()


@feature
def bypass_prefers_the_same_slot(info: Info) -> dict:
    sketch = Sketch(info)
    nodes = text_to_image(sketch)
    control = sketch.add("ControlNetApplyAdvanced", [1.0, 0, 1], mode=BYPASSED)
    join = sketch.add("ConditioningCombine")
    for slot, role in enumerate(("positive", "negative")):
        sketch.link(nodes[role], 0, control, role)
        sketch.link(control, slot, join, f"conditioning_{slot + 1}")
    return sketch.graph()


@feature
def bypass_prefers_the_exact_type(info: Info) -> dict:
    sketch = Sketch(info)
    latent = sketch.add("EmptyLatentImage", [64, 64, 1])
    first = sketch.add("LoadImage", ["one.png", "image"])
    second = sketch.add("LoadImage", ["two.png", "image"])
    sockets = [("latent", "LATENT"), ("any", "*"), ("image", "IMAGE")]
    passed = sketch.add("NobodyHasThis", mode=BYPASSED, inputs=sockets, outputs=[("image", "IMAGE")])
    for origin, name in ((latent, "latent"), (first, "any"), (second, "image")):
        sketch.link(origin, 0, passed, name)
    preview = sketch.add("PreviewImage")
    sketch.link(passed, 0, preview, "images")
    return sketch.graph()


@feature
def primitive_feeds_a_promoted_number(info: Info) -> dict:
    sketch = Sketch(info)
    inner = _detail(info)
    sketch.definitions = [inner]
    node = sketch.add(inner, [64], inputs=[("image", "IMAGE"), ("width", "INT", "width")])
    primitive = sketch.add("PrimitiveNode", [480, "fixed"], outputs=[("INT", "INT")])
    sketch.link(primitive, 0, node, "width")
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def promoted_number_behind_a_loose_reroute(info: Info) -> dict:
    """The inner widget keeps what its instance last showed, whatever an unused definition holds."""
    inner = _detail(info, "Inner")
    unused = Sketch(info, "Unused")
    unused.add(inner, [12])
    sketch = Sketch(info)
    sketch.definitions = [inner, unused]
    reroute = _reroute(sketch)
    node = sketch.add(inner, [34], inputs=[("image", "IMAGE"), ("width", "INT", "width")])
    sketch.link(reroute, 0, node, "width")
    preview = sketch.add("PreviewImage")
    sketch.link(node, 0, preview, "images")
    return sketch.graph()


@feature
def forced_input_before_widgets_in_old_values(info: Info) -> dict:
    sketch = Sketch(info)
    sketch.add("CreateHookKeyframesFromFloats", ["dummy", 0.1, 0.9, True])
    sketch.add("CreateHookKeyframesFromFloats", [0.2, 0.8, True])
    return sketch.graph()


@feature
def compressed_primitive(info: Info) -> dict:
    sketch = Sketch(info, compressed=True)
    nodes = text_to_image(sketch)
    primitive = sketch.add("PrimitiveNode", [3.5, "fixed"], outputs=[("FLOAT", "FLOAT")])
    sketch.link(primitive, 0, nodes["sampler"], "cfg")
    return sketch.graph()
