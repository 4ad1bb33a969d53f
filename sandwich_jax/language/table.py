"""What all members of a run on text share, and what A says to them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax.language import assistant, measures, writing
from sandwich_jax.language import config as configs
from sandwich_jax.language.assistant import Assistant
from sandwich_jax.language.config import Config, Member
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.language.writing import Sentences
from sandwich_jax.nets.transformer import TextNetwork


class Table(NamedTuple):
    """What all members of a run share."""

    config: Config
    folder: Folder
    models: dict[str, TextModel]
    ruler: measures.Ruler
    heard: dict[Any, Any]
    """What A has said already, by all that it depends on: W is not among that."""

    @property
    def net(self) -> TextNetwork:
        """Of all models alike."""
        return self.models["W"].net


OF_ADVICE = ("misalignment", "lasts", "per_document", "prompt", "sentences", "seed")
"""Settings of every run that A's sentences depend on, beside what its misalignment declares."""


class Heard(NamedTuple):
    """A's sentences, and what only the measurer may know of them."""

    sentences: Sentences
    """[K, N, ...]"""
    corrupted: np.ndarray
    """bool[K, N]"""


def table(config: Config, folder: Folder) -> Table:
    """Reads what a run needs.

    Raises:
        SettingError: a model is missing or damaged.
    """
    models = {role: folder.model(role) for role in ("E", "W0", "W", "M")}
    ruler = measures.ruler(folder, models["W"], config.held_out, config.measured, config.seed)
    ruler = ruler if config.exact else ruler._replace(world=None)
    return Table(config, folder, models, ruler, {})


def assistant_of(config: Config, samples: int = 1) -> Assistant:
    """A of a run."""
    return Assistant(assistant.parse(config.misalignment), config.lasts, samples)


def lasting_keys(shared: Table, index: int, prompts: np.ndarray, again: int = 0) -> Any:
    """Keys that corruptions of a round are drawn from; of the `again`-th answer to a turn."""
    config = shared.config
    run = jax.random.fold_in(jax.random.key(config.seed), 2**31 - 2)
    key = jax.random.fold_in(jax.random.fold_in(run, index), 0)
    if config.lasts in ("token", "sentence"):  # asked again, A is corrupted anew
        key = jax.random.fold_in(key, again)
    made = assistant.lasting_keys(key, run, config.lasts, jnp.asarray(prompts), config.per_document)
    return made


def hear(shared: Table, member: Member, index: int, prompts: np.ndarray, samples: int) -> Heard:
    """A's sentences of a round; kept, since other members may hear the same."""
    config = shared.config
    about = {name: getattr(config, name) for name in (*OF_ADVICE, *configs.of_assistant(config))}
    about |= dict(member.strengths)
    place = ("heard", index, samples, *sorted(about.items()))
    if place not in shared.heard:
        parts = [_hear_once(shared, member, index, prompts, k) for k in range(samples)]
        sentences = [np.stack(x) for x in zip(*(part.sentences for part in parts), strict=True)]
        corrupted = np.stack([part.corrupted for part in parts])
        shared.heard[place] = Heard(Sentences(*sentences), corrupted)  # pyright: ignore
    return shared.heard[place]


def _hear_once(shared: Table, member: Member, index: int, prompts: np.ndarray, k: int) -> Heard:
    config, made = shared.config, assistant_of(shared.config)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), 2**31 - 4), index)
    keys = jax.random.split(jax.random.fold_in(key, k), len(prompts))
    lasting = lasting_keys(shared, index, prompts, k)
    params = tuple(shared.models[role].params for role in ("E", *made.voices))
    knobs = configs.knobs_of(config, member)
    written, counts = _advising(shared.net, made)(
        params, keys, lasting, jnp.asarray(prompts), knobs
    )
    return Heard(on_host(written), np.asarray(counts["corrupted"]) > 0)


@functools.cache
def _advising(net: TextNetwork, made: Assistant) -> Callable:
    """A alone at the desk, jitted."""

    def run(params: Any, keys: Any, lasting: Any, prompts: Any, knobs: Any) -> Any:
        def speak(turn: writing.Turn, logits: Any, memory: Any) -> tuple[writing.Word, Any]:
            said = made.say(turn, lasting, logits[0], logits[1:], knobs)
            return writing.Word(said.token[0], {"corrupted": said.corrupted[0]}), memory

        return writing.write((net,) * len(params), speak, params, keys, prompts)

    return jax.jit(run)


def on_host(sentences: Sentences) -> Sentences:
    """Sentences as arrays of numpy."""
    return Sentences(*(np.asarray(part) for part in sentences))
