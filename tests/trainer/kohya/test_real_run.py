"""sd-scripts itself: SD1.5 layout with random weights, on the CPU, three steps; skipped, and loudly, where it is not.

Set PORTRAIT_STUDIO_KOHYA to the folder that `portrait-studio trainer install-kohya` filled, or run that here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_studio.trainer.kohya import installation, training
from portrait_studio.trainer.kohya.errors import KohyaError
from portrait_studio.trainer.kohya.prompts import SamplePrompt

from ...present import present

pytestmark = pytest.mark.timeout(900)

# Loads the checkpoint and the LoRA as ComfyUI's LoraLoader does, and prints what it logged.
COMFY = """
import json, logging, sys
sys.path.insert(0, sys.argv[1]); base, lora = sys.argv[2:4]; sys.argv = [sys.argv[0], "--cpu"]
import comfy.options; comfy.options.enable_args_parsing()
import comfy.sd, comfy.utils

from ...present import present
said = []
logging.getLogger().addHandler(type("H", (logging.Handler,), {"emit": lambda self, r: said.append(r.getMessage())})())
model, clip, *_ = comfy.sd.load_checkpoint_guess_config(base, output_vae=False, output_clip=True)
model, clip = comfy.sd.load_lora_for_models(model, clip, comfy.utils.load_torch_file(lora, safe_load=True), 1.0, 1.0)
print(json.dumps({"said": said, "unet": len(model.patches), "text": len(clip.patcher.patches)}))
"""


@pytest.fixture(scope="module")
def found() -> installation.KohyaInstallation:
    try:
        return installation.find()
    except KohyaError as error:
        text = f"sd-scripts is NOT TESTED FOR REAL: {error} (about two minutes and 3 GB of room)"
        warnings.warn(text, stacklevel=1)
        logging.getLogger(__name__).warning(text)
        pytest.skip(text)


@pytest.fixture(scope="module")
def base(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("sd15") / "random.safetensors"
    script = Path(__file__).with_name("random_sd15.py")
    environment = installation.environment() | {"PYTHONPATH": str(found.folder)}
    answer = subprocess.run([found.python, script, path], capture_output=True, text=True, env=environment)
    assert answer.returncode == 0, answer.stderr[-2000:]
    yield path
    path.unlink()  # pytest keeps the folders of its last three runs


def test_a_real_run_is_watched_picked_up_and_loaded_by_comfyui(found, base, training_set, settings, comfyui, tmp_path):
    events: list[training.TrainingEvent] = []
    chosen = settings.with_changes({"steps": 3, "prior_share": 0.25, "mask_weight": 2.0})
    outcome = training.train(
        training.KohyaRun(training_set, chosen, base, found, tmp_path / "work"),
        class_images=[(np.full((96, 96, 3), 128, np.uint8), "photo of a woman")],
        samples=[SamplePrompt("photo of zzperson woman in a coat --w 64", "blurred", 7)],
        judge=lambda path: 1.0 if "000002" in path.name else 0.5,
        listener=events.append,
    )
    assert outcome.ended == "finished", outcome.error
    assert [saved.step for saved in outcome.checkpoints] == [1, 2, 3]
    best = present(outcome.best)
    assert best.step == 2
    assert [step for step, _ in outcome.losses] == [1, 2, 3]
    assert all(0 < loss < 10 for _, loss in outcome.losses)
    assert [sample.step for sample in outcome.samples] == [0, 1, 2, 3]
    assert Image.open(outcome.samples[0].path).size == (128, 128)
    assert {"loading the checkpoint", "training"} <= {
        event.what for event in events if isinstance(event, training.Phase)
    }
    for secret in ("zzperson", "Rome", tmp_path.name, base.stem):
        assert secret.encode() not in best.path.read_bytes()

    command = [sys.executable, "-c", COMFY, comfyui, base, best.path]
    answer = subprocess.run(command, capture_output=True, text=True)
    loaded = json.loads(answer.stdout.splitlines()[-1])
    assert not [line for line in loaded["said"] if "not loaded" in line]
    assert (loaded["unet"], loaded["text"]) == (192, 72)


def test_a_real_run_is_cancelled_within_two_seconds_and_leaves_its_checkpoint(
    found, base, training_set, settings, tmp_path
):
    saved: list[float] = []
    chosen = settings.with_changes({"steps": 50, "sample_every": 1})
    outcome = training.train(
        training.KohyaRun(training_set, chosen, base, found, tmp_path / "work", cancelled=lambda: bool(saved)),
        listener=lambda event: saved.append(time.monotonic()) if isinstance(event, training.Saved) else None,
    )
    assert time.monotonic() - saved[0] < 2
    assert outcome.ended == "cancelled"
    assert outcome.best
    assert not _using(tmp_path / "work")


def _using(folder: Path) -> list[str]:
    """Return the command lines of processes that work in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder.resolve():
                found.append((process / "cmdline").read_text())
    return found
