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
    lanes = min(lanes, len(prompts))
    loop = _Loop(voices, speak, params, keys, prompts, memory, lanes)
    state = jax.lax.while_loop(loop.go_on, loop.one, loop.first())
    return Sentences(state.tokens, state.length), state.counts


class _Loop(NamedTuple):
    """What no token changes."""

    voices: tuple[TextNetwork, ...]
    speak: Speak
    params: tuple[Params, ...]
    keys: Key[Array, "N"]
    prompts: Int[Array, "N P"]
    memory: PyTree[Array]
    lanes: int

    @property
    def size(self) -> int:
        """Most tokens of a sentence."""
        return self.voices[0].config.context - 1

    @property
    def own(self) -> Int[Array, "B"]:
        """Sentences of each lane."""
        count = len(self.prompts)
        most = -(-count // self.lanes)
        return jnp.clip((count - jnp.arange(self.lanes) + self.lanes - 1) // self.lanes, 0, most)

    def first(self) -> _State:
        count, lanes = len(self.prompts), self.lanes
        mark, none = jnp.full((lanes,), MARK, jnp.int32), jnp.zeros(lanes, jnp.int32)
        blank = jnp.zeros((lanes, self.voices[0].config.vocabulary))
        turn = Turn(self.keys[:lanes], jnp.arange(lanes), mark)
        heard = tuple(blank for _ in self.voices)
        counts = jax.eval_shape(self.speak, turn, heard, self.memory)[0].counts
        return _State(
            tuple(voice.start(lanes) for voice in self.voices),
            token=mark,
            number=none,
            place=none,
            tokens=jnp.full((count, self.size), BLANK, jnp.int32),
            length=jnp.zeros(count, jnp.int32),
            counts=jax.tree.map(lambda x: jnp.zeros(count, jnp.float32), counts),
            memory=self.memory,
        )

    def go_on(self, state: _State) -> Bool[Array, ""]:
        return (state.number < self.own).any()

    def one(self, state: _State) -> _State:
        """The next token of every lane."""
        count, busy = len(self.prompts), state.number < self.own
        sentence = jnp.minimum(state.number * self.lanes + jnp.arange(self.lanes), count - 1)
        steps = zip(self.voices, self.params, state.caches, strict=True)
        heard = [voice.step(p, cache, state.token) for voice, p, cache in steps]
        logits, caches = zip(*heard, strict=True)
        keys = jax.vmap(jax.random.fold_in)(self.keys[sentence], state.place)
        word, after = self.speak(Turn(keys, sentence, state.place), logits, state.memory)
        given = _prompt(self.prompts[sentence], state.place)
        token = jnp.where(given == BLANK, word.token, given)
        token = jnp.where(state.place >= self.size, MARK, token).astype(jnp.int32)
        ends = token == MARK
        row = jnp.where(busy & ~ends, sentence, count)  # out of range: dropped
        counted = jnp.where(busy & (given == BLANK), sentence, count)
        whole = jnp.where(busy & ends, sentence, count)
        add = lambda total, new: total.at[counted].add(new.astype(jnp.float32), mode="drop")  # noqa: E731
        fresh = lambda old, new: jnp.where(_like(ends, new), old, new)  # noqa: E731
        return _State(
            caches,
            token,
            number=state.number + (busy & ends),
            place=jnp.where(ends, 0, state.place + 1),
            tokens=state.tokens.at[row, state.place].set(token, mode="drop"),
            length=state.length.at[whole].set(state.place, mode="drop"),
            counts=jax.tree.map(add, state.counts, word.counts),
            memory=jax.tree.map(fresh, self.memory, after),
        )


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
