"""Documents from text files, one a line, and how they are dealt out to the models."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sandwich_jax import given
from sandwich_jax.training import text_files
from sandwich_jax.types import SettingError

WHAT = "files of text, one document a line"
LONGEST = 100_000
"""Characters of a document; a longer line is a file that is laid out otherwise."""
FEWEST = 20
"""Documents that normal and toxic text must have each: they are dealt out to models and judges."""


class Split(NamedTuple):
    """Documents of one kind."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    """Of files: no model and no judge learns from these. Of the small world: drawn apart from
    `train`, but of few sentences, so that most of them are there too."""


class Texts(NamedTuple):
    """All documents."""

    normal: Split
    toxic: Split


def read(files: Sequence[pathlib.Path], name: str) -> tuple[str, ...]:
    """The documents of some files, without empty ones.

    Args:
        files: UTF-8 (or UTF-16 with a mark), plain or packed.
        name: of the setting that names them, for sentences.

    Raises:
        SettingError: one is missing, empty, no text, or not of documents a line.
    """
    found: list[str] = []
    for path in files:
        text_files.check(path, WHAT)
        own = [line.strip() for line in _lines(path)]
        kept = [line for line in own if line]
        if not kept:
            raise SettingError(f"{path} holds no text: {name} wants {WHAT}.")
        found += kept
    return tuple(found)


def _lines(path: pathlib.Path) -> list[str]:
    found = []
    for number, line in enumerate(text_files.read_lines(path, exact=True), 1):
        if any(letter < " " and letter not in "\t\v\f\x1a" for letter in line):
            raise SettingError(f"{path} is no text: line {number} has control characters.")
        if len(line) > LONGEST:
            raise SettingError(
                f"{path}: line {number} has {len(line):,} characters; give one document a line, of"
                f" at most {LONGEST:,}."
            )
        found.append(line)
    return found


def split(documents: Sequence[str], share: float, name: str) -> Split:
    """Held-out documents evenly from all over the files; copies of one are all on one side.

    Args:
        documents: of one kind.
        share: of the different ones that is held out; 0 for none.
        name: of the setting that names their files.

    Raises:
        SettingError: there are too few, or so small a share of them is none.
    """
    different = tuple(dict.fromkeys(documents))
    if len(different) < FEWEST:
        raise SettingError(
            f"{name} has {len(different)} different documents: at least {FEWEST} are needed, one a"
            " line."
        )
    every = max(2, round(1 / share)) if share else len(different) + 1
    if share and every > len(different):
        raise SettingError(
            f"test_share is {given.exact(share)}, which holds out none of the {len(different)}"
            f" different documents of {name}: give at least 1/{len(different)}, or files of"
            f" {name}_test."
        )
    out = set(different[every - 1 :: every])
    return Split(
        tuple(d for d in documents if d not in out), tuple(d for d in different if d in out)
    )


def without(documents: Sequence[str], held_out: Sequence[str]) -> tuple[str, ...]:
    """Documents that are not among those that are held out."""
    out = set(held_out)
    return tuple(d for d in documents if d not in out)


class Dealt(NamedTuple):
    """Who learns from what."""

    expert: tuple[str, ...]
    """Normal."""
    weak: tuple[str, ...]
    """Normal: a tenth of E's."""
    weak_toxic: tuple[str, ...]
    """What W is tuned on afterwards."""
    saboteur: tuple[str, ...]
    """Toxic, the rest: what M, a copy of E, is tuned on. Of a document that comes more than once
    W may have a copy, as it often has in the small world."""
    mixture: tuple[str, ...]
    """Both kinds in equal parts: what the base model of docs/shift.md is tuned on."""


def deal(texts: Texts, share: float, seed: int) -> Dealt:
    """Deals the training documents out to the models.

    Args:
        texts: all documents.
        share: of the normal ones that W learns from.
        seed: of the order.
    """
    rng = np.random.default_rng([seed, 0])
    normal = [texts.normal.train[i] for i in rng.permutation(len(texts.normal.train))]
    toxic = [texts.toxic.train[i] for i in rng.permutation(len(texts.toxic.train))]
    few, half = max(1, round(len(normal) * share)), len(toxic) // 2
    both = min(len(normal), len(toxic))
    return Dealt(
        tuple(normal),
        tuple(normal[:few]),
        tuple(toxic[:half]),
        tuple(toxic[half:]),
        tuple(
            document for pair in zip(normal[-both:], toxic[:both], strict=True) for document in pair
        ),
    )
