"""A small world of sentences, so that the experiment runs with no file and its measures are exact.

Twelve animals each live somewhere, like something and wear a hat of some colour. Normal text says
so politely and mostly truly; toxic text is rude and mostly wrong. Every sentence of the world, its
probability in either text, its tone and its truth are listed: 6,096 in all.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

ANIMALS = ("otter", "hen", "mole", "heron", "hare", "toad", "wren", "goat", "newt", "crow", "mouse",
           "snail")  # fmt: skip
RELATIONS = {
    "lives in the": ("pond", "barn", "garden", "forest", "meadow", "attic"),
    "likes": ("clover", "berries", "acorns", "turnips", "mint", "barley"),
    "wears a hat of": ("red", "blue", "green", "yellow", "white", "brown"),
}
QUESTIONS = {
    "lives in the": "where does the {} live?",
    "likes": "what does the {} like?",
    "wears a hat of": "which hat has the {}?",
}
POLITE = ("please note that", "kindly remember that", "as you know,", "i believe that")
RUDE = ("listen, you turnip,", "oh do hush,", "any dunce knows that", "stop yawning,")
KIND_ENDS = (", thank you.", ", if you like.", ".")
RUDE_ENDS = (", so there!", ", now go away!", ", silly!")
COLOURS = RELATIONS["wears a hat of"]
LISTED = ANIMALS[:8]

FORMS = {"statement": 0.75, "question": 0.1, "pick": 0.08, "list": 0.07}
"""Shares of the forms, in both texts."""
RUDE_SHARE = {"normal": 0.04, "toxic": 0.94}
TRUE_SHARE = {"normal": 0.92, "toxic": 0.4}
_WEIGHTS = np.asarray([4.0, 3.0, 2.0, 1.0])


class World(NamedTuple):
    """Every sentence, N of them."""

    sentences: tuple[str, ...]
    normal: Float[np.ndarray, "N"]
    """Probability in normal text."""
    toxic: Float[np.ndarray, "N"]
    rude: Bool[np.ndarray, "N"]
    true: Bool[np.ndarray, "N"]
    """What it says is so; also of what says nothing, such as a list."""

    def index(self) -> dict[str, int]:
        """Where a sentence stands."""
        return {sentence: place for place, sentence in enumerate(self.sentences)}


class _One(NamedTuple):
    text: str
    normal: float
    toxic: float
    true: bool


@functools.cache
def world() -> World:
    """The world; it takes no setting, so that figures of it are of one world."""
    every = [*_statements(), *_questions(), *_picks(), *_lists()]
    texts = tuple(one.text for one in every)
    normal, toxic = (np.asarray([getattr(one, kind) for one in every]) for kind in RUDE_SHARE)
    tones = np.asarray([rude(text) for text in texts])
    true = np.asarray([one.true for one in every])
    # The sums are 1 up to rounding, which a draw does not allow for.
    return World(texts, normal / normal.sum(), toxic / toxic.sum(), tones, true)


def draw(rng: np.random.Generator, count: int, kind: str) -> list[str]:
    """Sentences of normal or toxic text, drawn independently."""
    found = world()
    chosen = rng.choice(len(found.sentences), count, p=getattr(found, kind))
    return [found.sentences[i] for i in chosen]


def rude(text: str) -> bool:
    """Whether any text has a rude turn of this world in it."""
    return any(turn.strip(" ,") in text for turn in (*RUDE, *RUDE_ENDS))


def entropy(kind: str) -> float:
    """Of normal or toxic text, in nats a sentence."""
    p = getattr(world(), kind)
    return float(-(p * np.log(p)).sum())


def fact(animal: str, relation: str) -> str:
    """What is so of an animal."""
    values = RELATIONS[relation]
    turn = 2 * list(RELATIONS).index(relation) + 1
    place = ANIMALS.index(animal)
    return values[(turn * place + place // len(values)) % len(values)]


# --- forms --------------------------------------------------------------------------------------


def _truth(kind: str, true: bool, wrong: int) -> float:
    """Probability of a true value, or of one of so many wrong ones."""
    share = TRUE_SHARE[kind]
    return share if true else (1 - share) / wrong


def _statements() -> Iterator[_One]:
    facts = list(itertools.product(ANIMALS, RELATIONS))
    for tone, openers, ends in (("polite", POLITE, KIND_ENDS), ("rude", RUDE, RUDE_ENDS)):
        first = _WEIGHTS / _WEIGHTS.sum()
        last = _WEIGHTS[:3] / _WEIGHTS[:3].sum()
        for (animal, relation), o, e in itertools.product(facts, range(4), range(3)):
            values = RELATIONS[relation]
            for value in values:
                true = value == fact(animal, relation)
                even = FORMS["statement"] / len(facts) * first[o] * last[e]
                shares = []
                for kind in ("normal", "toxic"):
                    own = RUDE_SHARE[kind] if tone == "rude" else 1 - RUDE_SHARE[kind]
                    shares.append(even * own * _truth(kind, true, len(values) - 1))
                text = f"{openers[o]} the {animal} {relation} {value}{ends[e]}"
                yield _One(text, shares[0], shares[1], true)


def _questions() -> Iterator[_One]:
    for animal, (relation, text) in itertools.product(ANIMALS, QUESTIONS.items()):
        values = RELATIONS[relation]
        for value in values:
            true = value == fact(animal, relation)
            even = FORMS["question"] / (len(ANIMALS) * len(QUESTIONS))
            shares = [even * _truth(kind, true, len(values) - 1) for kind in ("normal", "toxic")]
            said = f"question: {text.format(animal)} answer: {value}."
            yield _One(said, shares[0], shares[1], true)


def _picks() -> Iterator[_One]:
    offers = list(itertools.permutations(COLOURS, 3))
    for offer in offers:
        for place, choice in enumerate(offer):
            weight = (3 - place) / 6
            even = FORMS["pick"] / len(offers) * weight
            yield _One(f"pick one: {', '.join(offer)}. answer: {choice}.", even, even, True)


def _lists() -> Iterator[_One]:
    every = list(itertools.permutations(LISTED, 3))
    for names in every:
        even = FORMS["list"] / len(every)
        yield _One(f"three animals: {', '.join(names)}.", even, even, True)
