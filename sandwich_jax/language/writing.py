"""Sentences from networks: one jitted loop over lanes, each of which writes one after another.

A lane goes on with its next sentence as soon as one ends, so that no lane waits for the longest.
Every sentence has a key of its own, from which all that is drawn for it comes: it is the same
sentence whatever lane it is written on.

Axis letters: N sentence, B lane, S token of a sentence, V token of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from sandwich_jax import sampling
from sandwich_jax.nets.transformer import BLANK, MARK, Cache, TextNetwork
from sandwich_jax.types import Params

LANES = 256


class Sentences(NamedTuple):
    """What was written."""

    tokens: Any
    """[N, S] without marks; `BLANK` after the last. On host or device."""
    length: Any
    """[N] tokens; -1 where nothing was written."""


class Turn(NamedTuple):
    """Where each lane is."""

    keys: Key[Array, "B"]
    """Of this token."""
    sentence: Int[Array, "B"]
    """Number of the sentence."""
    place: Int[Array, "B"]
    """Of this token in it, from 0."""


class Word(NamedTuple):
    """What is said next, and what is to be counted of it, sentence by sentence."""

    token: Int[Array, "B"]
    counts: PyTree[Array]
    """Numbers [B]."""


Speak = Callable[[Turn, tuple[Float[Array, "B V"], ...], PyTree[Array]], tuple[Word, PyTree[Array]]]
"""`(turn, logits of each voice, memory) -> word, memory`."""


class _State(NamedTuple):
    caches: tuple[Cache, ...]
    token: Int[Array, "B"]
    number: Int[Array, "B"]
    """Sentences that the lane has finished."""
    place: Int[Array, "B"]
    tokens: Int[Array, "N S"]
    length: Int[Array, "N"]
    counts: PyTree[Array]
    memory: PyTree[Array]


def write(
    voices: tuple[TextNetwork, ...],
    speak: Speak,
    params: tuple[Params, ...],
    keys: Key[Array, "N"],
    prompts: Int[Array, "N P"],
    memory: PyTree[Array] = (),
    lanes: int = LANES,
) -> tuple[Sentences, PyTree[Array]]:
    """Sentences that begin with their prompts, and the sums of what `speak` counted in each.

    Args:
        voices: networks, all of which hear what was said so far.
        speak: says the next token from what they think of it.
        params: of each network.
        keys: one a sentence.
        prompts: the first tokens of each sentence, `BLANK` after the last.
        memory: of each lane, leading axis B, as each sentence begins.
        lanes: at most so many sentences at a time.
    """
    count, size = prompts.shape[0], voices[0].config.context - 1
    lanes = min(lanes, count)
    each = -(-count // lanes)
    lane = jnp.arange(lanes)
    own = jnp.clip((count - lane + lanes - 1) // lanes, 0, each)
    first = jnp.full((lanes,), MARK, jnp.int32)
    blank = jnp.zeros((lanes, voices[0].config.vocabulary))
    turn = Turn(keys[:lanes], lane, first)
    shapes = jax.eval_shape(speak, turn, tuple(blank for _ in voices), memory)[0].counts
    state = _State(
        tuple(voice.start(lanes) for voice in voices),
        first,
        jnp.zeros(lanes, jnp.int32),
        jnp.zeros(lanes, jnp.int32),
        jnp.full((count, size), BLANK, jnp.int32),
        jnp.zeros(count, jnp.int32),
        jax.tree.map(lambda x: jnp.zeros(count, jnp.float32), shapes),
        memory,
    )

    def go_on(state: _State) -> Bool[Array, ""]:
        return (state.number < own).any()

    def one(state: _State) -> _State:
        busy = state.number < own
        sentence = jnp.minimum(state.number * lanes + lane, count - 1)
        steps = zip(voices, params, state.caches, strict=True)
        heard = [voice.step(p, cache, state.token) for voice, p, cache in steps]
        logits, caches = zip(*heard, strict=True)
        turn = Turn(
            jax.vmap(jax.random.fold_in)(keys[sentence], state.place), sentence, state.place
        )
        word, after = speak(turn, logits, state.memory)
        given = _prompt(prompts[sentence], state.place)
        token = jnp.where(given == BLANK, word.token, given)
        token = jnp.where(state.place >= size, MARK, token).astype(jnp.int32)
        ends = token == MARK
        row = jnp.where(busy & ~ends, sentence, count)  # out of range: dropped
        counted = jnp.where(busy & (given == BLANK), sentence, count)
        whole = jnp.where(busy & ends, sentence, count)
        add = lambda total, new: total.at[counted].add(new.astype(jnp.float32), mode="drop")  # noqa: E731
        fresh = lambda old, new: jnp.where(_like(ends, new), old, new)  # noqa: E731
        return _State(
            caches,
            token,
            state.number + (busy & ends),
            jnp.where(ends, 0, state.place + 1),
            state.tokens.at[row, state.place].set(token, mode="drop"),
            state.length.at[whole].set(state.place, mode="drop"),
            jax.tree.map(add, state.counts, word.counts),
            jax.tree.map(fresh, memory, after),
        )

    state = jax.lax.while_loop(go_on, one, state)
    return Sentences(state.tokens, state.length), state.counts


def _prompt(prompts: Int[Array, "B P"], place: Int[Array, "B"]) -> Int[Array, "B"]:
    """The token of a prompt at a place; `BLANK` after its end."""
    padded = jnp.pad(prompts, ((0, 0), (0, 1)), constant_values=BLANK)
    place = jnp.minimum(place, padded.shape[1] - 1)[:, None]
    return jnp.take_along_axis(padded, place, axis=1)[:, 0]


def _like(flag: Bool[Array, "B"], x: Array) -> Bool[Array, "..."]:
    return flag.reshape(flag.shape + (1,) * (x.ndim - 1))


def draw(
    keys: Key[Array, "B"], logits: Float[Array, "B V"], temperature: Float[Array, ""] | float
) -> Int[Array, "B"]:
    """A token from each row's policy."""
    uniform = jax.vmap(jax.random.uniform)(keys)
    return sampling.sample(uniform, logits, jnp.ones(logits.shape, bool), temperature)


def alone(temperature: Any = 1.0) -> Speak:
    """A network that writes by itself."""

    def speak(turn: Turn, logits: tuple[Array, ...], memory: Any) -> tuple[Word, Any]:
        return Word(draw(turn.keys, logits[0], temperature), ()), memory

    return speak


def texts_of(sentences: Sentences) -> list[list[int]]:
    """Tokens of each sentence, without padding."""
    rows, sizes = np.asarray(sentences.tokens), np.maximum(np.asarray(sentences.length), 0)
    return [row[:size].tolist() for row, size in zip(rows, sizes, strict=True)]
