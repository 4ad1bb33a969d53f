"""Advice token by token: W and A write a sentence together, by the protocols of chess.

A protocol's `plan` and `decide` are those of `oversight`: a token is a move, and W's policy is over
the vocabulary. Those that look at positions, values or results of games have no use here.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from sandwich_jax import sampling
from sandwich_jax.language.assistant import Assistant, everything
from sandwich_jax.language.writing import Speak, Turn, Word
from sandwich_jax.oversight import protocols
from sandwich_jax.oversight.interface import Memory, Own, Protocol
from sandwich_jax.types import Advice, Knobs, SettingError

FIELDS = {"move", "logits"}
"""Fields of `Advice` that there are on text."""


def usable(name: str) -> bool:
    """Whether a protocol of chess makes sense on text."""
    made = protocols.make(name)
    return made.learn is None and not made.of_games and set(made.wants) <= FIELDS


def make(config: protocols.ProtocolConfig) -> Protocol:
    """A protocol of chess, for tokens.

    Raises:
        SettingError: it is unknown, or is of games alone.
    """
    made = protocols.make(config)
    if not usable(config.protocol):
        known = ", ".join(name for name in protocols.PROTOCOLS if usable(name))
        raise SettingError(
            f"Protocol '{config.protocol}' is of games alone: for advice token by token choose"
            f" from {known}."
        )
    return made


def together(
    protocol: Protocol,
    made: Assistant,
    lasting: Key[Array, "N"],
    knobs: Knobs,
    temperature: Float[Array, ""],
) -> Speak:
    """W, E and those that A hears, in this order: W writes with advice at every token.

    What is counted of a sentence: tokens that were `asked` for, `followed`, `corrupted`, and
    `fooled` (followed though corrupted).
    """
    numbers = protocol.numbers(knobs)
    made = made._replace(samples=protocol.samples)

    def speak(turn: Turn, logits: tuple[Array, ...], memory: Any) -> tuple[Word, Any]:
        own = _own(turn, logits[0], temperature)
        remembered = Memory(memory, protocol.lore())
        ask = protocol.plan(own, remembered, numbers).ask
        said = made.say(turn, lasting, logits[1], logits[2:], knobs)
        told = jax.nn.log_softmax(sampling.mask_logits(said.logits, everything(said.logits)))
        advice = Advice(ask, jnp.where(ask, said.token, -1), logits=told)
        key = jax.random.fold_in(turn.keys[0], 2**20)
        extra = (said.corrupted & ask,) if protocol.told else ()
        decision, after = protocol.decide(key, own, advice, remembered, numbers, *extra)
        corrupted = said.corrupted[0] & ask
        counts = {
            "asked": ask,
            "followed": decision.followed & ask,
            "corrupted": corrupted,
            "fooled": decision.followed & corrupted,
        }
        return Word(decision.move, counts), after

    return speak


def _own(turn: Turn, logits: Float[Array, "B V"], temperature: Float[Array, ""]) -> Own:
    legal = everything(logits)
    keys = jax.vmap(jax.random.fold_in, (0, None))(turn.keys, 0)
    uniform = jax.vmap(jax.random.uniform)(keys)
    move = sampling.sample(uniform, logits, legal, temperature)
    nothing: Any = None  # there is no game
    return Own(
        logits, legal, jnp.zeros(move.shape), uniform, temperature, move, nothing, nothing,
        nothing, nothing, nothing,
    )  # fmt: skip
