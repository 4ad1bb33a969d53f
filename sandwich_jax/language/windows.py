"""What was written in the last rounds, and how it is learnt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from sandwich_jax.language import learning, packing
from sandwich_jax.language.writing import Sentences
from sandwich_jax.nets.transformer import BLANK, MARK


class Window(NamedTuple):
    """What was written in the last rounds, oldest first; M sentences."""

    tokens: Int[np.ndarray, "M S"]
    length: Int[np.ndarray, "M"]
    """-1 where nothing was written."""
    labels: Int[np.ndarray, "M S1"]
    """What is to be said after each token, the mark that begins a sentence included."""
    given: Int[np.ndarray, "M"]
    """Tokens of the prompt, which are not learnt."""


def empty(count: int, context: int) -> Window:
    """Nothing was written."""
    return Window(
        np.full((count, context - 1), BLANK, np.int32),
        np.full(count, -1, np.int32),
        np.full((count, context), MARK, np.int32),
        np.zeros(count, np.int32),
    )


def push(old: Window, new: Window) -> Window:
    """The newest in the place of the oldest."""
    parts = zip(old, new, strict=True)
    return Window(*(np.concatenate([past, now])[len(now) :] for past, now in parts))


def labels_of(written: Sentences) -> Int[np.ndarray, "N S1"]:
    """After the mark and after each token the next one; at the end a mark."""
    tokens = np.asarray(written.tokens)
    padded = np.pad(tokens, ((0, 0), (0, 1)), constant_values=BLANK)
    return np.where(padded == BLANK, MARK, padded)


def batch_of(window: Window, context: int) -> learning.Batch:
    """What was written as rows with their labels; tokens of prompts are not learnt."""
    there = np.flatnonzero(window.length >= 0)
    texts = [window.tokens[i, : window.length[i]].tolist() for i in there]
    rows = packing.pack(texts, context)
    if not len(texts):
        return learning.Batch(rows.tokens, rows.tokens, rows.tokens.astype(np.float32))
    labels = np.zeros_like(rows.tokens)
    weight = np.zeros(rows.tokens.shape, np.float32)
    for number, source in enumerate(there):
        row, place = np.nonzero(rows.document == number)
        labels[row, place] = window.labels[source, : len(place)]
        weight[row, place] = np.arange(len(place)) >= window.given[source]
    return learning.Batch(rows.tokens, labels, weight)
