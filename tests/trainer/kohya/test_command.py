from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.trainer.kohya import command
from portrait_studio.trainer.kohya.dataset import Dataset
from portrait_studio.trainer.settings import TrainSettings, load, names

USAGE = Path(__file__).parents[2] / "data" / "kohya" / "options.log"  # what train_network.py of v0.10.1 answers
BASE = Path("base.safetensors")


def line(settings: TrainSettings, **more) -> dict[str, list[str]]:
    """Return the options with their values."""
    written = Dataset(Path("w/dataset.toml"), 10, 5, 4, 3)
    options: dict[str, list[str]] = {}
    for part in command.arguments(settings, written, BASE, more.pop("precision", "bf16"), **more):
        if part.startswith("--"):
            assert part not in options, f"{part} is given twice"
            options[part] = []
        else:
            options[list(options)[-1]].append(part)
    return options


@pytest.mark.parametrize("preset", names())
@pytest.mark.parametrize(
    "changes", [{}, {"optimiser": "prodigy", "text_encoder_rate": 1.0, "noise_offset": 0.05, "convolutions": True}]
)
def test_sd_scripts_knows_every_option(preset, changes):
    known = set(re.findall(r"--\w+", USAGE.read_text("utf-8"))) | {"--no_half_vae"}
    settings = load(preset).with_changes(changes)
    more = {"prompts": Path("p.json"), "tokenizers": Path("t"), "start_from": Path("s")}
    assert set(line(settings, layout="sdxl", **more)) <= known


def test_settings_arrive_under_sd_scripts_names():
    settings = TrainSettings(
        steps=700,
        rank=24,
        alpha=12.0,
        learning_rate=3e-4,
        text_encoder_rate=4e-5,
        weight_decay=0.02,
        min_snr_gamma=4.5,
        noise_offset=0.03,
        clip_norm=0.7,
        accumulation=3,
        gradient_checkpointing=True,
        sample_every=50,
        seed=9,
        schedule="linear",
        warm_up=15,
    )
    options = line(settings, prompts=Path("w/prompts.json"))
    wanted = {
        "--pretrained_model_name_or_path": ["base.safetensors"],
        "--max_train_steps": ["700"],
        "--network_dim": ["24"],
        "--network_alpha": ["12"],
        "--unet_lr": ["0.0003"],
        "--text_encoder_lr": ["4e-05"],
        "--optimizer_type": ["AdamW"],
        "--optimizer_args": ["weight_decay=0.02"],
        "--min_snr_gamma": ["4.5"],
        "--noise_offset": ["0.03"],
        "--max_grad_norm": ["0.7"],
        "--gradient_accumulation_steps": ["3"],
        "--gradient_checkpointing": [],
        "--save_every_n_steps": ["50"],
        "--sample_every_n_steps": ["50"],
        "--sample_prompts": ["prompts.json"],
        "--seed": ["9"],
        "--lr_scheduler": ["linear"],
        "--lr_warmup_steps": ["15"],
        "--mixed_precision": ["bf16"],
        "--cache_latents": [],
        "--sdpa": [],
        "--no_metadata": [],
        "--save_model_as": ["safetensors"],
        "--dataset_config": ["dataset.toml"],
    }
    assert {key: options.get(key) for key in wanted} == wanted
    assert "--network_train_unet_only" not in options


def test_what_is_off_is_not_said():
    settings = TrainSettings(text_encoder_rate=0, min_snr_gamma=0, noise_offset=0, gradient_checkpointing=False)
    options = line(settings, precision="fp32")
    assert "--network_train_unet_only" in options
    assert options["--mixed_precision"] == ["no"]
    assert not set(options) & {
        "--text_encoder_lr",
        "--min_snr_gamma",
        "--noise_offset",
        "--gradient_checkpointing",
        "--sample_prompts",
        "--tokenizer_cache_dir",
        "--no_half_vae",
    }


@given(st.integers(0, 2**63 - 1))
def test_every_seed_is_one_that_numpy_takes(seed):
    assert 0 <= int(line(TrainSettings(seed=seed))["--seed"][0]) < 2**32


@given(st.sampled_from(["constant", "cosine", "linear"]), st.integers(1, 50), st.integers(0, 100))
def test_the_warm_up_ends_before_the_training_does(schedule, steps, warm_up):
    options = line(TrainSettings(schedule=schedule, steps=steps, warm_up=warm_up))
    taken = int(options["--lr_warmup_steps"][0])
    assert taken == min(warm_up, steps - 1)
    # "constant" refuses a warm-up (library/train_util.py, get_scheduler_fix).
    assert options["--lr_scheduler"] != ["constant"] or taken == 0


def test_prodigy_decays_decoupled_as_adamw_does():
    options = line(TrainSettings(optimiser="prodigy", weight_decay=0.01))
    assert options["--optimizer_type"] == ["Prodigy"]
    assert {"weight_decay=0.01", "decouple=True"} <= set(options["--optimizer_args"])


def test_what_sd_scripts_cannot_do_is_said():
    said = command.limits(TrainSettings(ema_decay=0.9, compile=True))
    assert [("ema_decay" in said[0]), ("compile" in said[1])] == [True, True]
    assert command.limits(TrainSettings(ema_decay=0, compile=False)) == []
