"""What trainer/host.py imports of a ComfyUI, looked for there: every name, and every way in which it is called.

Run by the tests before the first of them uses a host: python host_parts.py COMFYUI; prints a JSON list of sentences.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

USED = Path(__file__).parents[1] / "trainer" / "host.py"
# How nodes/ and trainer/ call them: (number of arguments, names of others).
CALLS: dict[str, tuple[int, tuple[str, ...]]] = {
    "ProgressBar": (1, ()),
    "ProgressBar.update_absolute": (4, ()),
    "ExecutionBlocker": (1, ()),
    "UNetModel.forward": (3, ("context", "y", "transformer_options")),
    "CLIPLayer.forward": (2, ("mask", "optimized_attention")),
    "calculate_weight": (3, ()),
    "get_attr": (2, ()),
    "get_sigmas_karras": (3, ("device",)),
    "get_torch_device": (0, ()),
    "load_lora_for_models": (5, ()),
    "load_torch_file": (1, ("safe_load",)),
    "sample_dpmpp_2m": (3, ("disable",)),
    "should_use_bf16": (1, ()),
    "soft_empty_cache": (0, ()),
    "throw_exception_if_processing_interrupted": (0, ()),
    "unet_to_diffusers": (1, ()),
    "unload_all_models": (0, ()),
}
# What is read off a MODEL, CLIP and VAE, by the classes that these are.
OBJECTS: dict[str, dict[str, tuple[int, tuple[str, ...]]]] = {
    "comfy.model_patcher.ModelPatcher": {"get_model_object": (2, ())},
    "comfy.model_base.BaseModel": {"process_latent_in": (2, ()), "process_latent_out": (2, ())},
    "comfy.model_base.SDXL": {"encode_adm": (1, ("pooled_output", "width", "height"))},
    "comfy.sd.CLIP": {"tokenize": (2, ()), "encode_from_tokens": (2, ("return_pooled",))},
    "comfy.sd.VAE": {"encode": (2, ()), "decode": (2, ())},
    "comfy.sd1_clip.SDClipModel": {"process_tokens": (3, ()), "encode": (2, ())},
}
MEMBERS = ("patches", "backup", "model")  # of a ModelPatcher


def wrong(comfyui: Path) -> list[str]:
    """Return what is missing or otherwise in a ComfyUI, a sentence each; for the tests' own process."""
    command = [sys.executable, __file__, str(comfyui)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=280)
    if answer.returncode:
        return [f"It cannot be imported: {answer.stderr.strip().splitlines()[-1]}"]
    return json.loads(answer.stdout.splitlines()[-1])


def imported() -> list[tuple[str, str]]:
    """Return (module, name) of all that the pack imports of comfy."""
    lines = [node for node in ast.parse(USED.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    return [(str(line.module), alias.name) for line in lines for alias in line.names]


def otherwise(name: str, part: Any, call: tuple[int, tuple[str, ...]]) -> list[str]:
    """Return a sentence when a function cannot be called like that."""
    try:
        inspect.signature(part).bind(*range(call[0]), **dict.fromkeys(call[1]))
    except TypeError as error:
        return [f"{name}{inspect.signature(part)} is called otherwise: {error}."]
    return []


def member(module: str, path: str) -> Any:
    """Return a name of a module, or None."""
    part: Any = importlib.import_module(module)
    for step in path.split("."):
        part = getattr(part, step, None)
    return part


def looked() -> list[str]:
    """Return what is wrong with the ComfyUI that this process has entered."""
    found, homes = [], {}
    for module, name in imported():
        homes[name] = module
        try:
            if member(module, name) is None:
                found.append(f"{module} has no {name}.")
        except ImportError as error:
            found.append(f"{module} cannot be imported: {error}.")
    for path, call in CALLS.items():
        module = homes[path.split(".")[0]]
        part = None if any(module in sentence for sentence in found) else member(module, path)
        found += [f"{module} has no {path}."] if part is None else otherwise(f"{module}.{path}", part, call)
    for owner, calls in OBJECTS.items():
        module, _, kind = owner.rpartition(".")
        for name, call in calls.items():
            part = member(module, f"{kind}.{name}")
            found += [f"{owner} has no {name}."] if part is None else otherwise(f"{owner}.{name}", part, call)
    import comfy.model_patcher
    import torch

    patcher = comfy.model_patcher.ModelPatcher(torch.nn.Module(), torch.device("cpu"), torch.device("cpu"))
    found += [f"A ModelPatcher has no {name}." for name in MEMBERS if not hasattr(patcher, name)]
    return sorted(set(found))


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    logging.disable(logging.CRITICAL)
    sys.stdout.write(json.dumps(looked()) + "\n")
