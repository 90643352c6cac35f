"""What host_training.py measures inside of processes of ComfyUI; started by it: python in_host.py JOB, a JSON object.

Every answer is a line of JSON on standard output.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from train_speed import SHARED, pictures

from portrait_studio.trainer.settings import TrainSettings, load

BEGAN = time.perf_counter()
WARM = 8  # steps before the clock starts: kernels are chosen and passes recorded in them
CASES: dict[str, dict[str, Any]] = {
    "sd15 batch 32": {"batch": 32, "steps": 24},
    "sd15 batch 32, text encoder": {"batch": 32, "steps": 24, "text": True},
    "sd15 batch 4": {"batch": 4, "steps": 48},
    "sd15 batch 4, text encoder": {"batch": 4, "steps": 48, "text": True},
    "sdxl batch 1": {"batch": 1, "steps": 18, "base": "sdxl"},
    "sd15 batch 4 once more": {"batch": 4, "steps": 48},
    "sd15 eight people, batch 4 each": {"batch": 4, "steps": 24, "people": 8},
    "sd15 eight people, batch 4 each, text encoder": {"batch": 4, "steps": 24, "people": 8, "text": True},
}
# Of comfy/model_detection.py, unet_config_from_diffusers_unet.
UNETS: dict[str, dict[str, Any]] = {
    "sd15": {
        "context_dim": 768,
        "num_heads": 8,
        "num_res_blocks": [2, 2, 2, 2],
        "channel_mult": [1, 2, 4, 4],
        "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
        "transformer_depth_middle": 1,
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        "use_linear_in_transformer": False,
        "adm_in_channels": None,
    },
    "sdxl": {
        "context_dim": 2048,
        "num_head_channels": 64,
        "num_res_blocks": [2, 2, 2],
        "channel_mult": [1, 2, 4],
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_middle": 10,
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
        "use_linear_in_transformer": True,
        "adm_in_channels": 2816,
        "num_classes": "sequential",
    },
}
SHAPE = {"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "use_spatial_transformer": True}
SHAPE |= {"use_checkpoint": False, "legacy": False}
VAE = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128}
VAE |= {"ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}


def say(**facts: Any) -> None:
    """Answer with one line."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def enter(comfyui: str, arguments: list[str], dynamic: bool = True) -> bool:
    """Make this process a ComfyUI as its main.py does, but for the server; return whether dynamic VRAM is on.

    Without `dynamic` it stays off, whatever the ComfyUI has as its default.
    """
    sys.path.insert(0, comfyui)
    sys.argv = [sys.argv[0], *arguments]
    import comfy.options

    comfy.options.enable_args_parsing()
    from comfy import cli_args

    wanted = dynamic and getattr(cli_args, "enables_dynamic_vram", lambda: False)()
    aimdo: Any = None
    if wanted:
        aimdo = importlib.import_module("comfy_aimdo.control")
        try:
            aimdo.init(simple_vram_headroom=None, nvml_pressure=True)
        except TypeError:
            aimdo.init()
    import comfy.model_management as management
    import cuda_malloc  # noqa: F401 - chooses torch's allocator, so it comes before torch

    if not wanted or not management.is_nvidia():
        return False
    patchers: Any = importlib.import_module("comfy.model_patcher")
    memory: Any = importlib.import_module("comfy.memory_management")
    if not aimdo.init_devices([management.get_torch_device().index]):
        return False
    patchers.CoreModelPatcher = patchers.ModelPatcherDynamic
    memory.aimdo_enabled = True
    return True


def waited() -> None:
    """Wait for the card."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make(file: str, kind: str) -> None:
    """Write a checkpoint of random weights in the layout of SD1.5 or SDXL, by the host's own classes."""
    import comfy.ops
    import comfy.sd1_clip
    import comfy.sdxl_clip
    import comfy.supported_models
    import torch
    from comfy.ldm.models.autoencoder import AutoencoderKL
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from safetensors.torch import save_file
    from torch import nn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = SHAPE | UNETS[kind]
    family = {"sd15": comfy.supported_models.SD15, "sdxl": comfy.supported_models.SDXL}[kind](dict(shape))
    words = {"sd15": comfy.sd1_clip.SD1ClipModel, "sdxl": comfy.sdxl_clip.SDXLClipModel}[kind]
    half = torch.float16
    unet = UNetModel(**shape, dtype=half, device=device, operations=comfy.ops.disable_weight_init)
    parts = [unet, AutoencoderKL(ddconfig=VAE, embed_dim=4).to(device, half), words(device=device, dtype=half)]
    # The host's layers leave their weights empty; torch's own classes fill them.
    bases: tuple[Any, ...] = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm, nn.Embedding)
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in (layer for part in parts for layer in part.modules()):
            for base in bases:
                if isinstance(layer, base):
                    base.reset_parameters(layer)
    state = family.process_unet_state_dict_for_saving(unet.state_dict())
    state |= family.process_vae_state_dict_for_saving(parts[1].state_dict())
    state |= family.process_clip_state_dict_for_saving(parts[2].state_dict())
    part = Path(file).with_suffix(".part")
    save_file({name: value.to(half).contiguous().cpu() for name, value in state.items()}, part)
    part.replace(file)
    say(made=kind, gb=round(Path(file).stat().st_size / 1e9, 2))


def settings_of(case: dict[str, Any], small: bool) -> TrainSettings:
    """Return the settings of a case; `small` is for a CPU."""
    base = load(case.get("base", "sd15"))
    size = base.resolution if not small else 64
    chosen = base.with_changes({**SHARED, "resolution": size, "warm_up": 0, "schedule": "constant", "accumulation": 1})
    if case.get("base") == "sdxl":
        chosen = chosen.with_changes({"rank": 32, "alpha": 16.0})
    if not case.get("text"):
        chosen = chosen.with_changes({"text_encoder_rate": 0.0})
    steps = WARM + 2 if small else case["steps"]
    batch = min(2, case["batch"]) if small else case["batch"]
    return chosen.with_changes({"batch": batch, "steps": steps, "precision": "fp32" if small else "bf16"})


def loaded(file: str) -> tuple[Any, Any, Any]:
    """Return MODEL, CLIP and VAE as the checkpoint loader's node gives them."""
    import comfy.sd
    import torch

    with torch.inference_mode():
        return comfy.sd.load_checkpoint_guess_config(file)[:3]


class Together:
    """Several people who take their steps together; speaks like the training of one."""

    def __init__(self, model: Any, trainings: Sequence[Any], group: Any) -> None:
        from portrait_studio.trainer.several import JointSteps

        self.trainings = trainings
        self.steps = JointSteps(model, group, [(training, training.learner) for training in trainings])

    def advance(self) -> None:
        """Make one step of everybody."""
        if failed := self.steps.advance(range(len(self.trainings))):
            raise next(iter(failed.values()))

    def look(self) -> None:
        """Read everybody's losses."""
        for training in self.trainings:
            training.look()

    @property
    def losses(self) -> list[float]:
        """The losses of the first."""
        return self.trainings[0].losses


@contextlib.contextmanager
def training(file: str, settings: TrainSettings, recorded: bool = True, people: int = 1) -> Iterator[Any]:
    """Give the training of a case, its LoRA attached, before its first step; that of several `people` as Together."""
    import torch

    from portrait_studio.trainer.loop import Training
    from portrait_studio.trainer.lora import Lora
    from portrait_studio.trainer.lora_group import LoraGroup
    from portrait_studio.trainer.native import NativeModel
    from portrait_studio.trainer.training_data import TrainingData

    given = loaded(file)
    with torch.inference_mode(False), torch.enable_grad():
        text, slow = settings.text_encoder_rate > 0, settings.gradient_checkpointing
        model = NativeModel(*given, settings.precision, text, settings.convolutions, slow)
        data = TrainingData(model, pictures(settings.resolution), settings)
        trainings = []
        for seed in range(settings.seed, settings.seed + people):
            own, chosen = copy.copy(data), settings.with_changes({"seed": seed})
            own.settings = chosen
            trainings.append(Training(own, Lora(model.layers, chosen.rank, chosen.alpha, seed), chosen))
        group = LoraGroup([one.lora for one in trainings])
        try:
            with group.attached(), group.passing(range(people)):
                if recorded:
                    model.record(group.parameters)
                yield trainings[0] if people == 1 else Together(model, trainings, group)
        finally:
            model.close()


def as_a_card_of(gigabytes: float) -> None:
    """Let this process have and see no more memory than a smaller card has."""
    import torch

    most = int(gigabytes * 1e9)
    torch.cuda.set_per_process_memory_fraction(most / torch.cuda.mem_get_info()[1])
    torch.cuda.mem_get_info = lambda *_: (most - torch.cuda.memory_reserved(), most)


def trainings(job: dict[str, Any], dynamic: bool) -> None:
    """Train the cases one after the other."""
    import torch

    from portrait_studio.trainer import lora, native
    from portrait_studio.trainer.cuda_graphs import recording_works

    if job.get("gigabytes"):
        as_a_card_of(job["gigabytes"])
    if job.get("unfused"):
        lora.usable = native.usable = lambda device: False
    for name in job["cases"]:
        case = CASES[name]
        settings = settings_of(case, job["small"]).with_changes(job.get("changes", {}))
        began = first = clock = time.perf_counter()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        people = case.get("people", 1)
        file = job["files"][case.get("base", "sd15")]
        with training(file, settings, not job.get("unrecorded"), people) as work:
            ready = time.perf_counter()
            for step in range(settings.steps):
                if step in (1, WARM):
                    waited()
                    clock = time.perf_counter()
                    first = clock if step == 1 else first
                work.advance()
            work.look()
            waited()
            seconds = time.perf_counter() - clock
        done = settings.steps - WARM
        say(
            case=name,
            losses=[round(loss, 6) for loss in work.losses],
            samples_per_second=round(done * settings.batch * people / seconds, 3),
            until_ready=round(ready - began, 2),
            first_step=round(first - ready, 2),
            peak_gb=round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else None,
            dynamic=dynamic,
            allocator=torch.cuda.get_allocator_backend() if torch.cuda.is_available() else "cpu",
            peak_reserved_gb=round(torch.cuda.max_memory_reserved() / 1e9, 2) if torch.cuda.is_available() else None,
            recorded=recording_works() and not job.get("unrecorded"),
        )


def first_step(job: dict[str, Any], dynamic: bool) -> None:
    """Take the first steps of a process apart, and what comes before them."""
    import comfy.sd
    import psutil
    import torch
    from subject_parts import Sections
    from torch.profiler import ProfilerActivity, profile

    from portrait_studio.trainer import lora, native

    settings = settings_of(CASES[job["cases"][0]], job["small"])
    before = time.time() - psutil.Process().create_time()
    entered = time.perf_counter()
    sections = Sections()
    sections.wrap(comfy.sd, "load_checkpoint_guess_config", "checkpoint loaded")
    sections.wrap(native.NativeModel, "__init__", "networks copied")
    sections.wrap(native.NativeModel, "encode", "latents")
    sections.wrap(native.NativeModel, "encode_text", "words")
    sections.wrap(lora.Lora, "__init__", "LoRA made")
    with training(job["files"]["sd15"], settings, recorded=False) as work:
        waited()
        ready = time.perf_counter()
        parts: dict[str, float] = {"process to host": before, "host to ready": ready - entered}
        parts |= {f"of that, {name}": seconds for name, seconds in sections.seconds.items()}
        calls: list[list[Any]] = []
        for step in ("first", "second", "third", "fourth"):
            with profile(activities=[ProfilerActivity.CPU]) if step == "first" else contextlib.nullcontext() as seen:
                began = time.perf_counter()
                loss = work.learner.loss(work.step, work.batch)
                waited()
                forward = time.perf_counter()
                loss.backward()
                waited()
                back = time.perf_counter()
                work.optimiser.step()
                work.optimiser.zero_grad(set_to_none=True)
                waited()
                ended = time.perf_counter()
            work.step += 1
            parts |= {f"{step}: forward": forward - began, f"{step}: backward": back - forward}
            parts |= {f"{step}: optimiser": ended - back}
            if isinstance(seen, profile):
                found = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)[:14]
                calls = [[row.key, round(row.self_cpu_time_total / 1e6, 3), row.count] for row in found]
    allocator = torch.cuda.get_allocator_backend() if torch.cuda.is_available() else "cpu"
    seconds = {name: round(value, 3) for name, value in parts.items()}
    say(seconds=seconds, costliest_of_the_first=calls, dynamic=dynamic, allocator=allocator)


def main() -> None:
    """Do what the job says."""
    logging.basicConfig(stream=sys.stderr)
    logging.getLogger("portrait_studio").setLevel(logging.INFO)  # why something goes the plain way
    job = json.loads(sys.argv.pop(1))
    dynamic = enter(job["comfyui"], job["arguments"], job["task"] != "make")  # layers to fill must be there
    if job["task"] == "make":
        for kind, file in job["files"].items():
            make(file, kind)
    else:
        import subject_parts

        {"trainings": trainings, "first step": first_step, "subject": subject_parts.measure}[job["task"]](job, dynamic)


if __name__ == "__main__":
    main()
