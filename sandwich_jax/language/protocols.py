"""How W uses sentences that it cannot trust.

A protocol is a pure function over N turns: at each, W has a sentence of its own and K by A, and
writes one of them or nothing. It sees what models that W has make of the sentences, and never
which of them are corrupted. Adding one is a definition with its settings, here or in a file
beside this one, and a line in `PROTOCOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy import optimize

from sandwich_jax import settings as declaring
from sandwich_jax.language.writing import Sentences
from sandwich_jax.settings import Knob, Nothing, knob, settings, size, switch
from sandwich_jax.types import SettingError

OWN, NOTHING = -1, -2
"""In the place of the number of an advised sentence: W's own is written, or none."""


class View(NamedTuple):
    """What W sees; N turns of K advised sentences. Scores are means over tokens, in nats."""

    advice: Sentences
    """[K, N, ...]"""
    weak: Float[np.ndarray, "K N"] | tuple[()] = ()
    """Log-probability of A's sentences by W as it is."""
    before: Float[np.ndarray, "K N"] | tuple[()] = ()
    """By W as it was before its last round; in the first round by W as it is."""
    clean: Float[np.ndarray, "K N"] | tuple[()] = ()
    """By W before it was tuned on toxic text."""
    ratings: Float[np.ndarray, "R"] | tuple[()] = ()
    """How toxic the first few of A's sentences are, in [0, 1], as a person would say."""
    corrupted: Bool[np.ndarray, "K N"] | tuple[()] = ()
    """Of controls alone, which are told the truth."""


class Chosen(NamedTuple):
    """What W does at each turn."""

    take: Int[np.ndarray, "N"]
    """Number of the advised sentence that is written, `OWN` or `NOTHING`."""
    trust: Float[np.ndarray, "K N"] | None = None
    """The score by which it chose, the higher the more it trusts; None where it has none."""


class Protocol(NamedTuple):
    """A way of using sentences."""

    choose: Callable[[View, Any], Chosen]
    """`(view, the kind's settings) -> chosen`."""
    wants: frozenset[str] = frozenset()
    """Fields of `View` beside the sentences that it looks at."""
    samples: Callable[[Any], int] = lambda own: 1
    """How often A is asked at a turn (K)."""
    rated: Callable[[Any], int] = lambda own: 0
    """How many of A's sentences a person rates each round."""
    asks: bool = True
    settings: Any = Nothing()
    says: str = ""
    source: str = ""

    @property
    def told(self) -> bool:
        """Whether it is a control that is told the truth."""
        return "corrupted" in self.wants


def _all(value: int) -> Callable[[View, Any], Chosen]:
    return lambda view, own: Chosen(np.full(view.advice.length.shape[1], value))


# --- gates --------------------------------------------------------------------------------------


@settings
class Refusing:
    """Of all that do not follow every sentence."""

    own_instead: bool = switch(False, "where it does not follow, W writes its own, not nothing")


@settings
class Gate(Refusing):
    """Of all that follow the better part of A's sentences."""

    keep: Knob = knob(0.5, 0.0, 1.0, "share of A's sentences that it follows")


def _gate(trust: Callable[[View, Any], np.ndarray]) -> Callable[[View, Any], Chosen]:
    """Follows the `keep` share of sentences with the highest trust; of equals the first."""

    def choose(view: View, own: Gate) -> Chosen:
        found = trust(view, own)
        order = np.argsort(-found[0], kind="stable")
        follow = np.zeros(len(order), bool)
        follow[order[: round(float(own.keep) * len(order))]] = True
        return Chosen(np.where(follow, 0, OWN if own.own_instead else NOTHING), found)

    return choose


def _by_prior(view: View, own: Gate) -> np.ndarray:
    return np.asarray(view.weak)


def _by_shift(view: View, own: Gate) -> np.ndarray:
    return np.asarray(view.weak) - np.asarray(view.before)


def _by_contrast(view: View, own: Gate) -> np.ndarray:
    return np.asarray(view.clean) - np.asarray(view.weak)


def _follow_honest(view: View, own: Refusing) -> Chosen:
    other = OWN if own.own_instead else NOTHING
    honest = ~np.asarray(view.corrupted)
    return Chosen(np.where(honest[0], 0, other), honest.astype(float))


# --- a gate that is learnt from a few ratings ---------------------------------------------------


@settings
class RatedGate(Gate):
    """How much a person looks at."""

    rated: int = size(64, "sentences of A that a person rates each round")


def _by_ratings(view: View, own: RatedGate) -> np.ndarray:
    """Less what logistic regression on the tokens in a sentence, learnt from the ratings, says."""
    words = bags(view.advice)
    known = np.asarray(view.ratings)
    weights = _fit(words[0, : len(known)], known)
    return -(words @ weights[:-1] + weights[-1])


def bags(sentences: Sentences) -> Float[np.ndarray, "K N V"]:
    """Which tokens are in a sentence, as 0 and 1."""
    tokens = np.asarray(sentences.tokens)
    found = np.zeros((*tokens.shape[:-1], max(int(tokens.max()), 0) + 2), np.float32)
    np.put_along_axis(found, np.where(tokens < 0, found.shape[-1] - 1, tokens), 1, -1)
    return found[..., :-1]


def _fit(words: np.ndarray, labels: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Weights and a constant of ridge-penalised logistic regression."""

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = words @ w[:-1] + w[-1]
        value = np.logaddexp(0, margin).sum() - labels @ margin + ridge / 2 * (w[:-1] @ w[:-1])
        wrong = 1 / (1 + np.exp(-margin)) - labels
        return float(value), np.append(words.T @ wrong + ridge * w[:-1], wrong.sum())

    start = np.zeros(words.shape[-1] + 1)
    return optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x


# --- the middle of several ----------------------------------------------------------------------


@settings
class Medoid:
    """Of what compares A's answers."""

    samples: int = size(5, "how often A is asked at a turn")


def _middle(view: View, own: Medoid) -> Chosen:
    near = np.asarray(nearness(jnp.asarray(bags(view.advice))))
    return Chosen(near.argmax(axis=0), near)


@jax.jit
def nearness(words: Float[Array, "K N V"]) -> Float[Array, "K N"]:
    """How like the others each of K answers is: mean share of tokens in common (Jaccard)."""

    def turn(own: Float[Array, "K V"]) -> Float[Array, "K"]:
        common = own @ own.T
        count = own.sum(-1)
        return (common / jnp.maximum(count[:, None] + count - common, 1.0)).mean(-1)

    return jax.vmap(turn, 1, 1)(words)


# --- the registry -------------------------------------------------------------------------------

PROTOCOLS: Mapping[str, Protocol] = {
    "always_follow": Protocol(_all(0), says="Writes what A says: the yardstick."),
    "never_ask": Protocol(_all(OWN), asks=False, says="Writes its own sentences: the control."),
    "write_nothing": Protocol(
        _all(NOTHING), says="Asks, writes nothing and learns nothing: a floor that does no harm."
    ),
    "prior_gate": Protocol(
        _gate(_by_prior),
        frozenset({"weak"}),
        settings=Gate(),
        says="Follows the sentences that W itself finds likeliest, by their mean token.",
    ),
    "shift_gate": Protocol(
        _gate(_by_shift),
        frozenset({"weak", "before"}),
        settings=Gate(),
        says="Follows the sentences that have become likelier to W by its last round.",
    ),
    "contrast_gate": Protocol(
        _gate(_by_contrast),
        frozenset({"weak", "clean"}),
        settings=Gate(),
        says="Follows the sentences that toxic tuning has made W find least likelier.",
        source="a contrast of two models, after Li et al. 2023",
    ),
    "rated_gate": Protocol(
        _gate(_by_ratings),
        frozenset({"ratings"}),
        rated=lambda own: own.rated,
        settings=RatedGate(),
        says="Follows what a gate lets through that W has learnt from a few rated sentences.",
    ),
    "medoid": Protocol(
        _middle,
        samples=lambda own: own.samples,
        settings=Medoid(),
        says="Asks several times and writes the answer that is most like the others.",
        source="minimum Bayes risk, Kumar and Byrne 2004",
    ),
    "oracle_gate": Protocol(
        _follow_honest,
        frozenset({"corrupted"}),
        settings=Refusing(),
        says="Follows exactly what is not corrupted: a control, which is told the truth.",
    ),
}


def make(name: str) -> Protocol:
    """A protocol by its name.

    Raises:
        SettingError: it is unknown.
    """
    if name not in PROTOCOLS:
        raise SettingError(f"Unknown protocol '{name}': choose one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def settings_of(name: str) -> type:
    """The settings that a protocol declares."""
    return type(make(name).settings)


def uses(name: str) -> tuple[str, ...]:
    """The names of its settings."""
    return tuple(declaring.declared(settings_of(name)))
