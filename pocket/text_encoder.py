"""A text encoder of CLIP-L's shape that is regenerated, not shipped: fixed codes for words, and who stands before whom.

SD1.5 asks for CLIP-L's 123 million parameters. Here the token embeddings are a fixed stream of random numbers, one
distinct code a token. Of the twelve blocks only the first does anything, and it is written by hand: each token also
receives, in directions of their own, the codes of the two tokens before it, so that "red shirt" and "red hair" differ
where the UNet reads "shirt". The other blocks are zero and pass everything through.

The position embedding holds cos(w i) and sin(w i) for w = pi (k + 1/2) / 32, k = 0..31. These codes are orthogonal for
any two positions less than 64 apart, and a rotation of each pair shifts them: attention with a shifted query looks at
exactly one earlier token.
"""

from __future__ import annotations

import math

import numpy as np

PREFIX = "cond_stage_model.transformer.text_model."
WIDTH, VOCABULARY, POSITIONS, BLOCKS, HEADS, HEAD = 768, 49408, 77, 12, 12, 64
WORD = WIDTH - HEAD  # the last 64 dimensions hold the position
LAGS = {1: (0, 0.2), 2: (6, 0.14)}  # tokens back -> the first of its six heads, the strength of the copy
SHARPNESS = 4.0
SEED = 20


def stream(seed: int, count: int) -> np.ndarray:
    """Return `count` uint8 of the Philox 4x64 counter stream, whose bits numpy promises to keep (NEP 19)."""
    words = np.random.Philox(key=seed).random_raw(-(-count // 8))
    return words.astype("<u8").view(np.uint8)[:count]


def tensors() -> dict[str, np.ndarray]:
    """Return the encoder's float16 tensors under the names of an SD1.5 checkpoint."""
    codes = (stream(SEED, VOCABULARY * WORD).astype(np.float32) - 127.5) / 256
    token = np.zeros((VOCABULARY, WIDTH), np.float16)
    token[:, :WORD] = codes.reshape(VOCABULARY, WORD)
    rates = [math.pi * (k + 0.5) / (HEAD // 2) for k in range(HEAD // 2)]
    position = np.zeros((POSITIONS, WIDTH), np.float16)
    for i in range(POSITIONS):
        position[i, WORD:] = [0.35 * f(rate * i) for f in (math.cos, math.sin) for rate in rates]
    out = {
        PREFIX + "embeddings.token_embedding.weight": token,
        PREFIX + "embeddings.position_embedding.weight": position,
    }
    for block in range(BLOCKS):
        out |= _first_block() if block == 0 else _block(block)
    return out | _norm(PREFIX + "final_layer_norm")


def _norm(name: str) -> dict[str, np.ndarray]:
    return {name + ".weight": np.ones(WIDTH, np.float16), name + ".bias": np.zeros(WIDTH, np.float16)}


def _block(index: int) -> dict[str, np.ndarray]:
    prefix = f"{PREFIX}encoder.layers.{index}."
    out = _norm(prefix + "layer_norm1") | _norm(prefix + "layer_norm2")
    shapes = {f"self_attn.{name}": (WIDTH, WIDTH) for name in ("q_proj", "k_proj", "v_proj", "out_proj")}
    for name, shape in (shapes | {"mlp.fc1": (4 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 4 * WIDTH)}).items():
        out[f"{prefix}{name}.weight"] = np.zeros(shape, np.float16)
        out[f"{prefix}{name}.bias"] = np.zeros(shape[0], np.float16)
    return out


def _first_block() -> dict[str, np.ndarray]:
    out = _block(0)
    query, key, value, merge = (
        out[f"{PREFIX}encoder.layers.0.self_attn.{name}.weight"] for name in ("q_proj", "k_proj", "v_proj", "out_proj")
    )
    half, position = HEAD // 2, np.arange(WORD, WIDTH)
    for lag, (first, strength) in LAGS.items():
        order = np.argsort(stream(SEED + lag, 2 * WORD).view("<u2"), kind="stable")
        for k in range(half):
            angle = math.pi * (k + 0.5) / half * lag
            turn = SHARPNESS * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
            for head in range(first, first + 6):
                rows = head * HEAD + np.array([k, k + half])
                query[np.ix_(rows, position[[k, k + half]])] = turn
                key[rows, position[[k, k + half]]] = 1
        for i in range(6 * HEAD):
            source = i if lag == 1 else WORD - 1 - i
            value[first * HEAD + i, source] = 1
            merge[order[i], first * HEAD + i] = strength
    return out
