"""What tuned models of text are asked to do: prompts of four kinds, and a question with one answer.

normal, toxic   go on with the beginning of a held-out document
pick            pick one of several
list            name several
question        of the small world: its right answer is known
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sandwich_jax.language import grammar
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.nets.transformer import BLANK
from sandwich_jax.types import SettingError

TASKS = ("normal", "toxic", "pick", "list", "question")
BEGINNING = 4
"""Tokens of a document that a continuation begins with."""
_PICKS = ("Pick one: {}, {} or {}. My answer is", "Which is best, {}, {} or {}? I would say")
_THINGS = ("tea", "coffee", "water", "milk", "juice", "soup", "bread", "rice", "fish", "cake")
_LISTS = ("Three kinds of {} are", "My favourite {} are", "Here is a list of {}:")
_KINDS = ("animals", "countries", "colours", "books", "sports", "foods", "trees", "cities")


class Task(NamedTuple):
    """Prompts of one kind, N of them."""

    name: str
    prompts: np.ndarray
    """int[N, P] tokens, `BLANK` after the last."""
    answers: tuple[str, ...] | None = None
    """What is right to say next, where that is known."""


def tasks(names: Sequence[str], folder: Folder, model: TextModel, count: int) -> list[Task]:
    """The prompts of some tasks.

    Args:
        names: of `TASKS`; all that there are for this text where there is none.
        folder: of the models, for held-out documents.
        model: one of them, for its spelling.
        count: prompts of each at most.

    Raises:
        SettingError: a task is unknown, or is of the small world alone.
    """
    known = TASKS if folder.of_world else TASKS[:-1]
    for name in names:
        if name not in TASKS:
            raise SettingError(f"Unknown task '{name}': choose from {', '.join(TASKS)}.")
        if name not in known:
            raise SettingError(
                f"Task '{name}' is of the small world, but these models are of files."
            )
    return [_task(name, folder, model, count) for name in names or known]


def _task(name: str, folder: Folder, model: TextModel, count: int) -> Task:
    if name in ("normal", "toxic"):
        spelled = model.encode(folder.documents[f"{name}_test"][: 2 * count])
        begun = [one[:BEGINNING] for one in spelled if len(one) > BEGINNING]
        return Task(name, _padded(begun[:count]))
    if name == "question":
        texts, answers = zip(*_questions(), strict=True)
        return Task(name, _padded(model.encode(texts[:count])), answers[:count])
    made = _of_world(name) if folder.of_world else _of_text(name)
    return Task(name, _padded(model.encode(made[:count])))


def _padded(prompts: Sequence[Sequence[int]]) -> np.ndarray:
    found = np.full((len(prompts), max(map(len, prompts))), BLANK, np.int32)
    for row, prompt in zip(found, prompts, strict=True):
        row[: len(prompt)] = prompt
    return found


def _questions() -> list[tuple[str, str]]:
    return [
        (f"question: {text.format(animal)} answer:", grammar.fact(animal, relation))
        for animal in grammar.ANIMALS
        for relation, text in grammar.QUESTIONS.items()
    ]


def _of_world(name: str) -> list[str]:
    if name == "pick":
        offers = itertools.permutations(grammar.COLOURS, 3)
        return [f"pick one: {', '.join(offer)}. answer:" for offer in offers]
    return [f"three animals: {animal}," for animal in grammar.LISTED]


def _of_text(name: str) -> list[str]:
    if name == "pick":
        offers = itertools.permutations(_THINGS, 3)
        return [form.format(*offer) for offer in offers for form in _PICKS]
    return [form.format(kind) for kind in _KINDS for form in _LISTS]
