"""Documents as rows of tokens: whole documents one behind another, none across two rows.

A row's first token is the mark that begins its first document; each document is followed by the
mark of the next one, or by the end of the row, which stands for a mark. So every token of a
document, its end included, is predicted exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sandwich_jax.nets.transformer import BLANK, MARK


class Rows(NamedTuple):
    """Packed documents; R rows of T tokens."""

    tokens: Int[np.ndarray, "R T"]
    """`BLANK` where a row holds nothing."""
    document: Int[np.ndarray, "R T"]
    """Which document each token is of; -1 where a row holds nothing."""


def cut(documents: Sequence[Sequence[int]], context: int) -> list[Sequence[int]]:
    """Documents that are too long for a network, in pieces; each is then a document."""
    most = context - 1
    return [
        document[first : first + most]
        for document in documents
        for first in range(0, max(len(document), 1), most)
    ]


def pack(documents: Sequence[Sequence[int]], context: int) -> Rows:
    """Rows in which the documents stand in their order.

    Args:
        documents: tokens without marks, each shorter than `context`.
        context: tokens of a row.
    """
    starts, row, used = [], -1, context
    for document in documents:
        size = len(document) + 1
        if used + size > context:
            row, used = row + 1, 0
        starts.append((row, used))
        used += size
    tokens = np.full((row + 1, context), BLANK, np.int32)
    which = np.full((row + 1, context), -1, np.int32)
    for number, (document, (row, first)) in enumerate(zip(documents, starts, strict=True)):
        tokens[row, first] = MARK
        tokens[row, first + 1 : first + 1 + len(document)] = document
        which[row, first : first + 1 + len(document)] = number
    return Rows(tokens, which)


def targets(tokens: Int[Array, "B T"]) -> Int[Array, "B T"]:
    """What comes after each token of rows: the next token, or a mark."""
    after = jnp.pad(tokens[:, 1:], ((0, 0), (0, 1)), constant_values=BLANK)
    return jnp.where(after == BLANK, MARK, after)


def by_document(
    numbers: Float[np.ndarray, "R T"], rows: Rows, count: int
) -> Float[np.ndarray, "N"]:
    """Sums of what each token has, document by document."""
    inside = rows.document >= 0
    return np.bincount(rows.document[inside], numbers[inside], minlength=count)


def visits(count: int, batch: int, steps: int, seed: Sequence[int], first: int = 0) -> Iterator:
    """Row numbers [batch] of update after update: all rows in a new order, again and again.

    What is drawn depends on the seed and the number of the update alone, so that a training that
    goes on draws the same.
    """
    for step in range(first, steps):
        places = np.arange(step * batch, (step + 1) * batch)
        found = np.empty(batch, np.int64)
        for turn in np.unique(places // count):
            order = np.random.default_rng([*seed, int(turn)]).permutation(count)
            here = places // count == turn
            found[here] = order[places[here] % count]
        yield found
