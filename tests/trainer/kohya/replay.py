"""Plays a recorded run of sd-scripts: its lines, its checkpoints and its samples, on cue.

It stands where train_network.py stands; what it does is set by replay.json beside it. Standard library only.
"""

import json
import shutil
import struct
import sys
import time
import zlib
from pathlib import Path

PLAN = json.loads((Path(__file__).parent / "replay.json").read_text("utf-8"))
OPTIONS = sys.argv[1:]


def option(name: str) -> str:
    """Return the value of an option."""
    return OPTIONS[OPTIONS.index(name) + 1]


def lora(path: Path, value: float) -> None:
    """Write a LoRA of one layer and rank 1, with metadata that leaks."""
    shapes = {"lora_down.weight": [1, 2], "lora_up.weight": [2, 1], "alpha": []}
    data = struct.pack("<5e", value, value, value, value, 1)
    header: dict = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * (2 if shape else 1)
        header[f"lora_unet_x.{name}"] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    header["__metadata__"] = {
        "ss_network_dim": "8",
        "ss_tag_frequency": '{"train": {"photo of zzperson": 4}}',
        "ss_dataset_dirs": '{"C:/Users/anna/Holiday": {}}',
        "ss_sd_model_name": "secret.safetensors",
        "ss_output_name": "anna",
        "modelspec.title": "anna",
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data[:2])
        file.flush()
        time.sleep(PLAN.get("writing", 0))
        file.write(data[2:])


def samples(step: int) -> None:
    """Draw what the prompts ask for: the picture that the plan has for the step, else one pixel."""
    if "--sample_prompts" not in OPTIONS:
        return
    drawn = PLAN.get("pictures", {}).get("fused" if "--network_weights" in OPTIONS else str(step))
    for number, prompt in enumerate(json.loads(Path(option("--sample_prompts")).read_text("utf-8"))):
        name = f"lora_{'e' if step == 0 else ''}{step:06d}_{number:02d}_20261122131310_{prompt['seed']}.png"
        if drawn:
            shutil.copyfile(drawn[number % len(drawn)], out / "sample" / name)
        else:
            png(out / "sample" / name)


def png(path: Path) -> None:
    """Write a picture of one pixel."""
    chunks = [(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    bodies = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(bodies))


out = Path(option("--output_dir"))
(out / "sample").mkdir(parents=True, exist_ok=True)
(Path(__file__).parent / "argv.json").write_text(json.dumps(OPTIONS))
samples(0)
for step in range(1, PLAN["until"] + 1):
    loss = PLAN.get("losses", {}).get(str(step), f"{1 / step:.3g}")
    sys.stderr.write(f"\rsteps:  50%|█████     | {step}/{PLAN['steps']} [00:07<00:07, 7.3s/it, avr_loss={loss}]")
    sys.stderr.flush()
    if step % int(option("--save_every_n_steps")) == 0:
        samples(step)
        sys.stdout.write(f"\nsaving checkpoint: {out}/lora-step{step:08d}.safetensors\n")
        lora(out / f"lora-step{step:08d}.safetensors", PLAN.get("values", {}).get(str(step), 0.5))
    time.sleep(PLAN.get("pause", 0))
sys.stderr.write("\n" + PLAN.get("last", ""))
sys.stderr.flush()
if PLAN.get("hang"):
    time.sleep(60)
if PLAN.get("code", 0) == 0 and not PLAN.get("ends_without"):
    lora(out / "lora.safetensors", 0.5)
sys.exit(PLAN.get("code", 0))
