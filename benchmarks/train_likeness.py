"""What training a subject is worth: likeness of unseen portraits with and without the LoRA, words kept, seconds.

Trains ready subjects (pocket/subjects/<name>/, twelve photos each) on the pocket checkpoint with the host's code at the
default settings of a preset, then samples portraits with the host's own sampler, on seeds and prompts that training and
judging never used: with the subject, without it, and with the last checkpoint. Faces are measured against the subject's
references, which training never sees. `pairs` is the mean cosine to each reference, `person` the cosine to their mean
direction, which is what Identity Score shows. `looks` is how many portraits keep hair colour, hair length, glasses and
beard of the training photos, of those that can be told (portrait/likeness/looks.py).

    python benchmarks/train_likeness.py --subjects 6 --count 16 --out benchmarks/results/train_likeness.json

With --out, what an earlier run kept there of other subjects stays.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, keep, parser
from PIL import Image

from portrait_studio.portrait import identity, photos
from portrait_studio.portrait.faces import detect
from portrait_studio.portrait.likeness.heads import look_at
from portrait_studio.portrait.likeness.looks import ROWS, OwnLooks, own_looks, shares
from portrait_studio.portrait.report import Limits
from portrait_studio.trainer import judge, photo_set, settings

ROOT = Path(__file__).parents[1]
SUBJECTS = ROOT / "pocket" / "subjects"
RENDERS_ARE_ONE_PERSON = 0.67
SEED = 31_000
TRIGGER = "ohwx"
# Prompts of our own, none of them a training caption or a judging prompt, and the colour that their words ask for.
PROMPTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("portrait photo of {}, wearing red shirt, front view, plain white background, soft light",
     {"region": "garment", "a": [20, 128], "b": [0, 128]}),
    ("head and shoulders portrait of {}, wearing blue shirt, smile, plain grey background, studio light",
     {"region": "garment", "b": [-128, -10]}),
    ("portrait of {}, wearing green shirt, slight smile, plain beige background, studio light",
     {"region": "garment", "a": [-128, -8]}),
    ("black and white monochrome, portrait of {}, neutral expression, wearing grey sweater, studio light",
     {"region": "picture", "chroma": [0, 6]}),
    ("portrait photo of {}, wearing white shirt, plain blue background, soft light",
     {"region": "background", "b": [-128, -5]}),
    ("antique sepia, head and shoulders portrait of {}, smile, wearing black sweater, soft light",
     {"region": "picture", "a": [1, 30], "b": [5, 60]}),
    ("head and shoulders portrait of {}, wearing black shirt, plain grey background, soft light",
     {"region": "garment", "L": [0, 32]}),
    ("portrait of {}, wearing white sweater, smile, plain green background, studio light",
     {"region": "background", "a": [-128, -4]}),
)  # fmt: skip


def main() -> None:
    """Train and measure."""
    options = parser(__doc__ or "")
    options.add_argument("--subjects", type=int, default=6, help="how many of the ready subjects, in order of name")
    options.add_argument("--names", nargs="*", help="these subjects instead")
    options.add_argument("--count", type=int, default=16, help="portraits a subject")
    options.add_argument("--preset", default="pocket")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a training setting, as JSON")
    options.add_argument("--pictures", type=Path, help="a folder for a sheet of every subject's portraits")
    options.add_argument("--comfyui", type=Path, default=ROOT / ".studio" / "ComfyUI")
    options.add_argument("--models", type=Path, default=ROOT / ".studio" / "models")
    options.add_argument("--device", default="cpu", choices=("cpu", "auto"))
    given = options.parse_args()
    names = given.names or sorted(folder.parent.name for folder in SUBJECTS.glob("*/card.json"))[: given.subjects]
    changes = {key: json.loads(value) for key, _, value in (text.partition("=") for text in given.set)}
    chosen = settings.load(given.preset).with_changes(changes)
    checkpoint = given.models / "checkpoints" / "pocket.safetensors"
    _enter(given.comfyui, given.device)
    known = json.loads(given.out.read_text("utf-8")) if given.out and given.out.is_file() else {}
    rows: dict[str, Any] = known.get("subjects", {})
    for name in names:
        rows[name] = measure(name, chosen, given.count, checkpoint, given.pictures)
        print(name, json.dumps(rows[name], indent=1), flush=True)
        figures = {"machine": facts(), "settings": chosen.as_dict(), "means": _means(rows), "subjects": rows}
        keep(given.out, figures)
    print(json.dumps(_means(rows), indent=1))


def measure(
    name: str, chosen: settings.TrainSettings, count: int, checkpoint: Path, sheets: Path | None
) -> dict[str, Any]:
    """Return the figures of one subject."""
    import comfy.sd
    import torch

    from portrait_studio.trainer import run, state
    from portrait_studio.trainer.native import NativeModel

    model, clip, vae = comfy.sd.load_checkpoint_guess_config(str(checkpoint))[:3]
    class_word = json.loads((SUBJECTS / name / "card.json").read_text("utf-8"))["class_word"]
    with tempfile.TemporaryDirectory() as store:
        begin, processor = time.perf_counter(), time.process_time()
        files = photos.list_folder(SUBJECTS, name)
        limits = Limits(same_person=RENDERS_ARE_ONE_PERSON)
        options = photo_set.PhotoSetOptions(TRIGGER, class_word, limits)
        training_set = photo_set.prepare(list(photos.read_all(files)), [file.name for file in files], options)
        with torch.inference_mode(False), torch.enable_grad():
            native = NativeModel(model, clip, vae, chosen.precision, chosen.text_encoder_rate > 0, chosen.convolutions)
            job = run.TrainingJob(name, chosen, keep_checkpoints=True)
            done = run.train(native, training_set, job, Path(store), run.TrainingObserver(say=print))
            native.close()
        seconds, processor = time.perf_counter() - begin, time.process_time() - processor
        last = max(score.step for score in done.scores)
        loras = {
            "without": None,
            "subject": done.subject.lora,
            "last": Path(store) / name / "training" / f"step-{last:06d}.safetensors",
        }
        tensors = {kind: file and state.load_tensors(file) for kind, file in loras.items()}
    references = np.stack(identity.embed_largest(photos.read_all(photos.list_folder(SUBJECTS, f"{name}/references"))))
    texts = [PROMPTS[i % len(PROMPTS)][0].format(done.subject.prompt_words) for i in range(count)]
    expected = [PROMPTS[i % len(PROMPTS)][1] for i in range(count)]
    shown: dict[str, list[np.ndarray]] = {}
    for kind, lora in tensors.items():
        same = kind == "last" and done.chosen.plain and done.chosen.step == last
        shown[kind] = shown["subject"] if same else sampled(model, clip, vae, lora, texts, chosen)
    rows = {kind: scored(pictures, references, expected) for kind, pictures in shown.items()}
    own = own_looks(training_set.known.looks) if training_set.known else OwnLooks()
    for kind, pictures in shown.items():
        found = [(picture, detect(picture)) for picture in pictures]
        told = shares([look_at(picture, faces[0]) if faces else None for picture, faces in found], own)
        rows[kind]["looks"] = {name: one.as_dict() for name, one in told.items()}
    if sheets:
        _sheet(sheets / f"{name}.png", [*shown["without"], *shown["subject"]], min(count, 8))
    by_base, now = rows["without"].pop("followed"), rows["subject"].pop("followed")
    rows["last"].pop("followed")
    steps = [score for score in done.scores if score.plain]
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "chosen": {"step": done.chosen.step, "fused": list(done.chosen.fused), "rewarded": done.chosen.rewarded},
        "scoring_set": {
            "before": round(steps[0].likeness, 4),
            "chosen": round(done.chosen.likeness, 4),
            "last": round(steps[-1].likeness, 4),
        },
        "unseen": rows,
        "words_by_base": sum(by_base),
        "words_kept": judge.kept(now, by_base),
        "checkpoints": [score.as_dict() for score in done.scores],
    }


def sampled(
    model: Any, clip: Any, vae: Any, lora: dict | None, texts: Sequence[str], chosen: settings.TrainSettings
) -> list[np.ndarray]:
    """Return a portrait `[H, W, 3]` of each text, by the host's own LoRA loading, sampler and VAE."""
    import comfy.sample
    import comfy.sd
    import torch

    if lora is not None:
        model, clip = comfy.sd.load_lora_for_models(model, clip, lora, 1.0, 1.0)
    pictures = []
    with torch.inference_mode():
        negative = clip.encode_from_tokens_scheduled(clip.tokenize(""))
        for index, text in enumerate(texts):
            positive = clip.encode_from_tokens_scheduled(clip.tokenize(text))
            latent = torch.zeros(1, 4, chosen.resolution // 8, chosen.resolution // 8)
            noise = comfy.sample.prepare_noise(latent, SEED + index)
            made = comfy.sample.sample(
                model,
                noise,
                chosen.sample_steps,
                chosen.sample_cfg,
                "dpmpp_2m",
                "karras",
                positive,
                negative,
                latent,
                disable_pbar=True,
            )
            pixels = vae.decode(made)[0]
            pictures.append((pixels.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy())
    return pictures


def scored(
    pictures: Sequence[np.ndarray], references: np.ndarray, expected: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return likeness and words of portraits; one without a face counts as 0."""
    person = identity.reference(references)
    pairs, cosines, followed = [], [], []
    for picture, expect in zip(pictures, expected, strict=True):
        faces = detect(picture)
        embedding = identity.embed(picture, faces[0]) if faces else np.zeros_like(person)
        pairs.append(float((references @ embedding).mean()))
        cosines.append(float(person @ embedding))
        followed.append(judge.follows(picture, faces[0] if faces else None, expect))
    return {
        "pairs": round(float(np.mean(pairs)), 4),
        "person": round(float(np.mean(cosines)), 4),
        "pairs_over_threshold": round(float(np.mean(np.array(pairs) > RENDERS_ARE_ONE_PERSON)), 4),
        "person_over_threshold": round(float(np.mean(np.array(cosines) > RENDERS_ARE_ONE_PERSON)), 4),
        "portraits": len(pictures),
        "each": [round(value, 3) for value in pairs],
        "followed": followed,
    }


def _means(rows: dict[str, Any]) -> dict[str, Any]:
    def mean(*path: str) -> float | None:
        values = []
        for row in rows.values():
            for key in path:  # of an earlier run, which lacks it, nothing counts
                row = row.get(key) if row is not None else None
            values.append(row)
        known = [value for value in values if value is not None]
        return round(float(np.mean(known)), 4) if known else None

    return {
        "subjects": len(rows),
        "longest_seconds": max(row["seconds"] for row in rows.values()),
        "pairs": mean("unseen", "subject", "pairs"),
        "pairs_without": mean("unseen", "without", "pairs"),
        "pairs_last_checkpoint": mean("unseen", "last", "pairs"),
        "person": mean("unseen", "subject", "person"),
        "person_without": mean("unseen", "without", "person"),
        "pairs_over_threshold": mean("unseen", "subject", "pairs_over_threshold"),
        "person_over_threshold": mean("unseen", "subject", "person_over_threshold"),
        **{f"{row}_kept": mean("unseen", "subject", "looks", row, "kept") for row in ROWS},
        "words_kept": mean("words_kept"),
        "scoring_set_chosen": mean("scoring_set", "chosen"),
        "scoring_set_last": mean("scoring_set", "last"),
    }


def _enter(comfyui: Path, device: str) -> None:
    """Make ComfyUI's modules importable, as its main.py does."""
    sys.path.insert(0, str(comfyui))
    sys.argv = [sys.argv[0], *(["--cpu"] if device == "cpu" else [])]
    import comfy.options

    comfy.options.enable_args_parsing()


def _sheet(path: Path, pictures: list[np.ndarray], columns: int) -> None:
    rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([row for row in rows if row.shape == rows[0].shape])).save(path)


if __name__ == "__main__":
    main()
