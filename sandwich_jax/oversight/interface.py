"""What a protocol is, and what it sees of its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from sandwich_jax import settings
from sandwich_jax.games import Game
from sandwich_jax.settings import Nothing
from sandwich_jax.types import Advice, Decision, Knobs, Outputs, PRNGKey, Query, Rollout, State
from sandwich_jax.words import Pool


class Memory(NamedTuple):
    """Whatever a protocol remembers."""

    game: PyTree[Array]
    """Of each lane's game, leading axis B; starts afresh with each game."""
    lore: PyTree[Array]
    """What it learnt from the rounds before; one for all lanes."""


class Own(NamedTuple):
    """W's own view of its turn, and its means of thinking on; only what is used is computed."""

    logits: Float[Array, "B A"]
    """Illegal labels at `sampling.ILLEGAL`."""
    legal: Bool[Array, "B A"]
    value: Float[Array, "B"]
    """For W, in [-1, 1]."""
    uniform: Float[Array, "B"]
    """The draws, in [0, 1), that `move` was made with: another policy sampled with them at
    `temperature` is W with the same luck."""
    temperature: Float[Array, ""]
    """Of W while it plays."""
    move: Int[Array, "B"]
    """What W would play by itself (drawn from its policy)."""
    game: Game
    state: State
    think: Callable[[State], Outputs]
    """W's own network, for the side to move."""
    ask: Callable[[PRNGKey, State, Query], Advice]
    """Asks A about other positions, as a search does."""
    first: Callable[[State], Outputs]
    """W's network as it was before the first round."""


Decide = Callable[..., tuple[Decision, PyTree[Array]]]
"""`(key, own, advice, memory, the kind's settings) -> decision, memory of the game`."""


class Protocol(NamedTuple):
    """A way of using advice."""

    plan: Callable[[Own, Memory, Any], Query]
    """On which lanes to ask; `wants` and `samples` say what."""
    decide: Decide
    """What to play, given the answer; and what to remember of the game."""
    memory: Callable[[int], PyTree[Array]] = lambda batch: ()
    """`memory(batch)`: what a new game starts with."""
    lore: Callable[[], PyTree[Array]] = lambda: ()
    """What is known before the first round."""
    learn: Callable[[PyTree[Array], Rollout, Any], PyTree[Array]] | None = None
    """`(lore, rollout, the kind's settings) -> lore`, after every round; None: nothing is kept."""
    asks: bool = True
    """Static: whether the assistant is ever needed."""
    told: bool = False
    """Static: a control that is told the truth. `decide` then finds which samples are corrupted,
    [K, B], as a further argument; its name begins with oracle."""
    wants: tuple[str, ...] = ("move",)
    """Static: fields of `Advice` that it asks for; the others are not computed."""
    samples: int = 1
    """Static: how often A is asked about the same position (K)."""
    of_games: bool = False
    """Static: it looks at positions and their values, and not at policies alone: of no use for
    the tokens of a text."""
    further: int = 0
    """Static: answers of A on a turn on which it is asked beside `samples`, such as values."""
    pool: Pool = "mean"
    """Static: what an objective that learns whole policies makes of several answers."""
    settings: Any = Nothing()
    """Its settings; their sizes are static, in the place of their knobs come traced numbers."""
    says: str = ""
    """What it does, in a sentence."""
    source: str = ""
    """Where it is from."""

    @property
    def answers(self) -> int:
        """Answers of A on a turn on which it is asked, whatever channel they come by."""
        return self.samples + self.further

    @property
    def uses(self) -> tuple[str, ...]:
        """Settings of a run that it depends on; what is learnt is learnt from results."""
        own = tuple(settings.declared(type(self.settings)))
        return own if self.learn is None else (*own, "results")

    def numbers(self, knobs: Knobs) -> Any:
        """Its settings out of the numbers of a whole run."""
        return settings.view(self.settings, knobs)


class Sized(NamedTuple):
    """A protocol that differs with its sizes, which are compiled."""

    settings: type
    build: Callable[[Any], Protocol]
    """`(settings) -> protocol`."""


def ask_everywhere(own: Own, memory: Memory, knobs: Any) -> Query:
    """Asks on every lane."""
    return Query(ask=jnp.ones(own.move.shape, bool))


def follow_if(
    good: Bool[Array, "B"], own: Own, advice: Advice, notes: PyTree[Array] = ()
) -> Decision:
    """The (first) advised move where it was asked for and is good, else W's own."""
    followed = advice.asked & good
    return Decision(jnp.where(followed, advice.move[0], own.move), followed, notes)


def if_any(asked: Bool[Array, "B"], compute: Callable[[], Any]) -> Any:
    """What `compute` finds; zeros at no cost where no lane asked, as on turns between queries."""

    def nothing() -> Any:
        shapes = jax.eval_shape(compute)
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    return jax.lax.cond(asked.any(), compute, nothing)


def log_prior(own: Own, labels: Int[Array, "*K B"]) -> Float[Array, "*K B"]:
    """W's log-probability, at temperature 1, of labels; very low for illegal ones."""
    total = jax.nn.logsumexp(own.logits, axis=-1)
    chosen = jnp.take_along_axis(own.logits, jnp.maximum(labels, 0).reshape(-1, total.size).T, 1)
    return chosen.T.reshape(labels.shape) - total


def entropy(own: Own) -> Float[Array, "B"]:
    """Of W's policy at temperature 1, in nats."""
    logp = jax.nn.log_softmax(own.logits)
    return -jnp.where(own.legal, jnp.exp(logp) * logp, 0.0).sum(-1)
