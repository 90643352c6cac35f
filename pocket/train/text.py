"""Captions -> token ids -> the text codes that ComfyUI computes from the pocket checkpoint."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .. import text_encoder
from ..text_encoder import HEADS, POSITIONS, PREFIX, WIDTH

BEGIN, END = 49406, 49407
PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


class Tokenizer:
    """CLIP's byte-pair encoding for plain lower-case English, from ComfyUI's comfy/sd1_tokenizer folder."""

    def __init__(self, folder: Path):
        self.ids: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))
        lines = (folder / "merges.txt").read_text("utf-8").splitlines()[1:]
        self.ranks = {tuple(line.split()): i for i, line in enumerate(lines) if line}
        self.comma = self.ids[",</w>"]
        self._word = functools.cache(self._split)
        self._phrase = functools.cache(self._tokens)

    def __call__(self, text: str) -> list[int]:
        """Return 77 token ids: the beginning, the text (cut to 75 tokens), and ends."""
        phrases = text.lower().split(", ")
        if all(phrase[-1:].isalnum() for phrase in phrases):
            tokens = [token for phrase in phrases for token in (*self._phrase(phrase), self.comma)][:-1]
        else:
            tokens = list(self._tokens(text.lower()))
        ids = [BEGIN, *tokens[: POSITIONS - 2]]
        return ids + [END] * (POSITIONS - len(ids))

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self.ids[piece] for word in PATTERN.findall(text) for piece in self._word(word))

    def _split(self, word: str) -> tuple[str, ...]:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pairs = [(self.ranks.get(pair, len(self.ranks)), i) for i, pair in enumerate(itertools.pairwise(pieces))]
            rank, i = min(pairs)
            if rank == len(self.ranks):
                break
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
        return tuple(pieces)


class TextCodes(nn.Module):
    """The pocket text encoder, reduced to the one block that does something."""

    token: torch.Tensor
    position: torch.Tensor
    q_proj: torch.Tensor
    k_proj: torch.Tensor
    v_proj: torch.Tensor
    out_proj: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        tensors = text_encoder.tensors()
        self.register_buffer("token", torch.from_numpy(tensors[PREFIX + "embeddings.token_embedding.weight"]))
        position = torch.from_numpy(tensors[PREFIX + "embeddings.position_embedding.weight"])
        self.register_buffer("position", position.float())
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            weight = tensors[f"{PREFIX}encoder.layers.0.self_attn.{name}.weight"]
            self.register_buffer(name, torch.from_numpy(weight).float())

    @torch.no_grad()
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return codes [B, 77, 768] float32 of token ids [B, 77]."""
        x = self.token[ids.long()].float() + self.position
        n = F.layer_norm(x, (WIDTH,))
        q, k, v = (
            F.linear(n, weight).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for weight in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return F.layer_norm(x + F.linear(y, self.out_proj), (WIDTH,))


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return the token ids of texts as [B, 77] int32."""
    return torch.tensor([tokenizer(text) for text in texts], dtype=torch.int32)
