"""Plays a recorded run of sd-scripts: its lines, its checkpoints and its samples, on cue.

It stands where train_network.py stands; what it does is set by replay.json beside it. Standard library only.
"""

import json
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
    """Write a LoRA of one layer, with metadata that leaks."""
    data = struct.pack("<2e", value, value)
    header = {"lora_unet_x.lora_up.weight": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}
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


def png(path: Path) -> None:
    """Write a picture of one pixel."""
    chunks = [(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    bodies = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(bodies))


out = Path(option("--output_dir"))
(out / "sample").mkdir(parents=True, exist_ok=True)
(Path(__file__).parent / "argv.json").write_text(json.dumps(OPTIONS))
for step in range(1, PLAN["until"] + 1):
    loss = PLAN.get("losses", {}).get(str(step), f"{1 / step:.3g}")
    sys.stderr.write(f"\rsteps:  50%|█████     | {step}/{PLAN['steps']} [00:07<00:07, 7.3s/it, avr_loss={loss}]")
    sys.stderr.flush()
    if step % int(option("--save_every_n_steps")) == 0:
        png(out / "sample" / f"lora_{step:06d}_00_20261122131310_5.png")
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
