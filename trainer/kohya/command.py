"""The command line of sd-scripts for a training of ours."""

from __future__ import annotations

from pathlib import Path

from ..settings import TrainSettings
from .dataset import Dataset
from .prompts import MAX_SEED

OUTPUT, NAME = "out", "lora"
SCHEDULES = {"cosine": "cosine", "linear": "linear"}
OPTIMISERS = {
    "adamw": ("AdamW", ("weight_decay={weight_decay:g}",)),
    "prodigy": (
        "Prodigy",
        ("weight_decay={weight_decay:g}", "decouple=True", "use_bias_correction=True", "safeguard_warmup=True"),
    ),
}
UNFOLLOWED = {
    "ema_decay": "keeps no running mean of the LoRA, so checkpoints are its last state",
    "compile": "is run without torch.compile",
    "reward_steps": "has no tuning by reward",
}


def arguments(
    settings: TrainSettings,
    dataset: Dataset,
    checkpoint: Path,
    precision: str,
    layout: str = "sd15",
    prompts: Path | None = None,
    tokenizers: Path | None = None,
    start_from: Path | None = None,
) -> list[str]:
    """Return the arguments of `train_network.py` (SDXL: `sdxl_train_network.py`); paths are relative to its folder.

    `precision` is "fp32" or "bf16". The prior weight is in the alpha channels of the pictures (dataset.py).
    """
    optimiser, options = OPTIMISERS[settings.optimiser]
    answer: list[object] = [
        *("--pretrained_model_name_or_path", checkpoint),
        *("--dataset_config", dataset.config.name),
        *("--output_dir", OUTPUT, "--output_name", NAME),
        *("--save_model_as", "safetensors", "--save_precision", "fp16", "--no_metadata"),
        *("--network_module", "networks.lora"),
        *("--network_dim", settings.rank, "--network_alpha", f"{settings.alpha:g}"),
        *("--learning_rate", f"{settings.learning_rate:g}", "--unet_lr", f"{settings.learning_rate:g}"),
        *("--optimizer_type", optimiser, "--optimizer_args", *(text.format_map(vars(settings)) for text in options)),
        *_schedule(settings),
        *("--max_train_steps", settings.steps),
        *("--gradient_accumulation_steps", settings.accumulation),
        *("--max_grad_norm", f"{settings.clip_norm:g}"),
        *("--mixed_precision", "bf16" if precision == "bf16" else "no"),
        *("--sdpa", "--cache_latents", "--seed", settings.seed % MAX_SEED),
        *("--save_every_n_steps", min(settings.sample_every, settings.steps)),
        *("--max_data_loader_n_workers", 1),
    ]
    if settings.text_encoder_rate > 0:
        answer += ["--text_encoder_lr", f"{settings.text_encoder_rate:g}"]
    else:
        answer += ["--network_train_unet_only"]
    if settings.convolutions:
        answer += ["--network_args", f"conv_dim={settings.rank}", f"conv_alpha={settings.alpha:g}"]
    if settings.min_snr_gamma > 0:
        answer += ["--min_snr_gamma", f"{settings.min_snr_gamma:g}"]
    if settings.noise_offset > 0:
        answer += ["--noise_offset", f"{settings.noise_offset:g}"]
    if settings.gradient_checkpointing:
        answer += ["--gradient_checkpointing"]
    if layout == "sdxl":
        answer += ["--no_half_vae"]  # the published SDXL VAE overflows in 16 bits
    if prompts:
        answer += ["--sample_prompts", prompts.name, "--sample_sampler", "euler_a", "--sample_at_first"]
        answer += ["--sample_every_n_steps", min(settings.sample_every, settings.steps)]
    if tokenizers:
        answer += ["--tokenizer_cache_dir", tokenizers]
    if start_from:
        answer += ["--network_weights", start_from]
    return [str(part) for part in answer]


def limits(settings: TrainSettings) -> list[str]:
    """Return a sentence for every setting that sd-scripts cannot follow."""
    asked = {
        "ema_decay": settings.ema_decay > 0,
        "compile": settings.compile,
        "reward_steps": settings.reward_steps > 0,
    }
    return [
        f"sd-scripts {why} (the setting {name} is not followed)." for name, why in UNFOLLOWED.items() if asked[name]
    ]


def _schedule(settings: TrainSettings) -> list[object]:
    warm_up = min(settings.warm_up, settings.steps - 1)
    if settings.schedule == "constant":
        name = "constant_with_warmup" if warm_up else "constant"
    else:
        name = SCHEDULES[settings.schedule]
    return ["--lr_scheduler", name, "--lr_warmup_steps", warm_up]
