"""One round on text: W writes beside the assistant, then learns what was written.

Read `play_round` first: it is the whole idea in one function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sandwich_jax import finetune
from sandwich_jax.language import (
    assistant,
    learning,
    measures,
    packing,
    protocols,
    token_advice,
    writing,
)
from sandwich_jax.language import config as configs
from sandwich_jax.language.assistant import Assistant
from sandwich_jax.language.config import CONTROL, Config, Member
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.language.protocols import NOTHING, OWN, View
from sandwich_jax.language.writing import Sentences
from sandwich_jax.measures import advice as of_advice
from sandwich_jax.nets.transformer import BLANK, MARK, TextNetwork
from sandwich_jax.oversight import protocols as of_tokens
from sandwich_jax.oversight.protocols import ProtocolConfig
from sandwich_jax.types import Params, PRNGKey, TrainState


class Window(NamedTuple):
    """What was written in the last rounds, oldest first; M sentences."""

    tokens: Int[np.ndarray, "M S"]
    length: Int[np.ndarray, "M"]
    """-1 where nothing was written."""
    labels: Int[np.ndarray, "M S1"]
    """What is to be said after each token, the mark that begins a sentence included."""
    given: Int[np.ndarray, "M"]
    """Tokens of the prompt, which are not learnt."""


class Learner(NamedTuple):
    """What a member carries from round to round."""

    train: TrainState
    before: Params
    """W before its last round."""
    window: Window


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


def first_learner(shared: Table) -> Learner:
    """A member before its first round: W, and nothing written."""
    config, params = shared.config, shared.models["W"].params
    count, size = config.window * config.sentences, shared.net.config.context - 1
    window = Window(
        np.full((count, size), BLANK, np.int32),
        np.full(count, -1, np.int32),
        np.full((count, size + 1), MARK, np.int32),
        np.zeros(count, np.int32),
    )
    return Learner(learning.fresh(params), params, window)


def play_round(
    shared: Table, member: Member, learner: Learner, index: int
) -> tuple[Learner, dict[str, Any]]:
    """One member's round, numbered from 0, and what it showed of advice.

    Raises:
        SettingError: a loss was not finite.
    """
    config = shared.config
    key = jax.random.fold_in(jax.random.key(config.seed), index)
    keys = dict(zip(("own", "prompts", "rows"), jax.random.split(key, 3), strict=True))
    prompts = _prompts(shared, keys["prompts"])
    if member.role == "own_corpus":
        written, figures = own_corpus(shared, keys["own"]), {}
    elif not member.asks:
        written, figures = _own(shared, learner, keys["own"], prompts), {}
    elif config.advice == "token":
        written, figures = _token_by_token(shared, member, learner, index, keys["own"], prompts)
    else:
        written, figures = _sentences(shared, member, learner, index, keys["own"], prompts)
    labels = labels_of(written)
    if member.role == "expert_labels":
        labels = _expert_labels(shared, written, keys["own"])
    own = Window(*written, labels, _sizes(prompts))
    window = Window(*(np.concatenate([old, new])[len(new) :]
                      for old, new in zip(learner.window, own, strict=True)))  # fmt: skip
    before = learner.train.params
    train, loss = _learn(shared, learner.train, window, index)
    figures |= {"written": float((np.asarray(written.length) >= 0).mean()), "loss": loss}
    return Learner(train, before, window), figures


# --- writing ------------------------------------------------------------------------------------


def _prompts(shared: Table, key: PRNGKey) -> Int[np.ndarray, "N P"]:
    """First tokens of documents that W has learnt from, of both kinds alike."""
    size, count = shared.config.prompt, shared.config.sentences
    if not size:
        return np.full((count, 1), BLANK, np.int32)
    kinds = [_spelled(shared, name) for name in ("own_normal", "own_toxic")]
    drawn = np.asarray(jax.random.randint(key, (count,), 0, 2**31 - 1))
    found = np.full((count, size), BLANK, np.int32)
    for i, number in enumerate(drawn):
        own = kinds[i % 2]
        tokens = own[int(number) % len(own)][:size]
        found[i, : len(tokens)] = tokens
    return found


def _spelled(shared: Table, name: str) -> list[list[int]]:
    if name not in shared.heard:
        shared.heard[name] = shared.models["W"].encode(shared.folder.documents[name])
    return shared.heard[name]


def _sizes(prompts: Int[np.ndarray, "N P"]) -> Int[np.ndarray, "N"]:
    return (prompts != BLANK).sum(axis=1).astype(np.int32)


def _host(sentences: Sentences) -> Sentences:
    return Sentences(*(np.asarray(part) for part in sentences))  # pyright: ignore


def _own(shared: Table, learner: Learner, key: PRNGKey, prompts: np.ndarray) -> Sentences:
    """What W writes by itself."""
    model = TextModel(shared.net, learner.train.params, shared.models["W"].tokenizer)
    temperature = shared.config.temperature
    return _host(measures.sample(model, key, len(prompts), prompts, temperature))


def own_corpus(shared: Table, key: PRNGKey) -> Sentences:
    """Documents of W's own corpus, in the place of sentences."""
    documents = _spelled(shared, "own_normal") + _spelled(shared, "own_toxic")
    count, size = shared.config.sentences, shared.net.config.context - 1
    drawn = np.asarray(jax.random.randint(key, (count,), 0, len(documents)))
    tokens = np.full((count, size), BLANK, np.int32)
    length = np.zeros(count, np.int32)
    for i, number in enumerate(drawn):
        one = documents[number][:size]
        tokens[i, : len(one)], length[i] = one, len(one)
    return Sentences(tokens, length)  # pyright: ignore


def labels_of(written: Sentences) -> Int[np.ndarray, "N S1"]:
    """After the mark and after each token the next one; at the end a mark."""
    tokens = np.asarray(written.tokens)
    padded = np.pad(tokens, ((0, 0), (0, 1)), constant_values=BLANK)
    return np.where(padded == BLANK, MARK, padded)


def _assistant(config: Config, samples: int = 1) -> Assistant:
    return Assistant(assistant.parse(config.misalignment), config.lasts, samples)


def _lasting(shared: Table, index: int, prompts: np.ndarray, again: int = 0) -> Any:
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
    about = (config.misalignment, config.lasts, config.per_document, config.prompt, config.seed)
    size = (config.sentences, index, samples)
    place = ("heard", *about, *size, member.strengths)
    if place not in shared.heard:
        parts = [_hear_once(shared, member, index, prompts, k) for k in range(samples)]
        sentences = [np.stack(x) for x in zip(*(part.sentences for part in parts), strict=True)]
        corrupted = np.stack([part.corrupted for part in parts])
        shared.heard[place] = Heard(Sentences(*sentences), corrupted)  # pyright: ignore
    return shared.heard[place]


def _hear_once(shared: Table, member: Member, index: int, prompts: np.ndarray, k: int) -> Heard:
    config, made = shared.config, _assistant(shared.config)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), 2**31 - 4), index)
    keys = jax.random.split(jax.random.fold_in(key, k), len(prompts))
    lasting = _lasting(shared, index, prompts, k)
    params = tuple(shared.models[role].params for role in ("E", *made.voices))
    knobs = configs.knobs_of(config, member)
    written, counts = _advising(shared.net, made)(
        params, keys, lasting, jnp.asarray(prompts), knobs
    )
    return Heard(_host(written), np.asarray(counts["corrupted"]) > 0)


@functools.cache
def _advising(net: TextNetwork, made: Assistant) -> Callable:
    """A alone at the desk, jitted."""

    def run(params: Any, keys: Any, lasting: Any, prompts: Any, knobs: Any) -> Any:
        def speak(turn: writing.Turn, logits: Any, memory: Any) -> tuple[writing.Word, Any]:
            said = made.say(turn, lasting, logits[0], logits[1:], knobs)
            return writing.Word(said.token[0], {"corrupted": said.corrupted[0]}), memory

        return writing.write((net,) * len(params), speak, params, keys, prompts)

    return jax.jit(run)


# --- with advice --------------------------------------------------------------------------------


def _sentences(
    shared: Table,
    member: Member,
    learner: Learner,
    index: int,
    key: PRNGKey,
    prompts: np.ndarray,
) -> tuple[Sentences, dict[str, Any]]:
    """W chooses among whole sentences."""
    protocol = protocols.make(member.protocol)
    own = configs.kind_settings(shared.config, type(protocol.settings))
    heard = hear(shared, member, index, prompts, protocol.samples(own))
    view = _view(shared, protocol, own, learner, index, heard)
    chosen = protocol.choose(view, own)
    tokens, length = (np.asarray(part) for part in heard.sentences)
    rows, first = np.arange(len(chosen.take)), np.maximum(chosen.take, 0)
    tokens, length = tokens[first, rows], length[first, rows].copy()
    if (chosen.take == OWN).any():
        alone = _own(shared, learner, key, prompts)
        mine = chosen.take == OWN
        tokens = np.where(mine[:, None], alone.tokens, tokens)
        length = np.where(mine, alone.length, length)
    length = np.where(chosen.take == NOTHING, -1, length)
    return Sentences(tokens, length), _shown(heard, chosen)  # pyright: ignore


def _view(
    shared: Table,
    protocol: protocols.Protocol,
    own: Any,
    learner: Learner,
    index: int,
    heard: Heard,
) -> View:
    """What a protocol asks to see, and nothing else."""
    now = learner.train.params
    params = {"weak": now, "before": learner.before, "clean": shared.models["W0"].params}
    wanted: dict[str, Any] = {
        name: _likely(shared.net, params[name], heard.sentences)
        for name in protocol.wants & set(params)
    }
    if "ratings" in protocol.wants:
        tokens = writing.texts_of(Sentences(*(part[0] for part in heard.sentences)))
        count = min(protocol.rated(own), len(tokens))
        texts = [shared.models["W"].tokenizer.decode(one) for one in tokens[:count]]
        wanted["ratings"] = shared.folder.judges.rater(texts)
    if protocol.told:
        wanted["corrupted"] = heard.corrupted
    return View(heard.sentences, **wanted)


def _likely(net: TextNetwork, params: Params, sentences: Sentences) -> Float[np.ndarray, "K N"]:
    """Mean log-probability of a sentence's tokens, its end included, in nats."""
    found = []
    for tokens, length in zip(*(np.asarray(part) for part in sentences), strict=True):
        texts = writing.texts_of(Sentences(tokens, length))
        rows = packing.pack(texts, net.config.context)
        total = measures.log_likelihood(net, params, rows, len(texts))
        found.append(total / (np.maximum(length, 0) + 1))
    return np.stack(found)


def _shown(heard: Heard, chosen: protocols.Chosen) -> dict[str, Any]:
    """What was done with advice, and whether the score that it was done by could tell."""
    corrupted, followed = heard.corrupted, chosen.take >= 0
    rows = np.arange(len(chosen.take))
    bad = corrupted[np.maximum(chosen.take, 0), rows] & followed
    figures: dict[str, Any] = {
        "answers": corrupted.size,
        "corrupted": float(corrupted.mean()),
        "followed": float(followed.mean()),
        "followed_though_corrupted": _share(followed, corrupted[0]),
        "refused_though_good": _share(~followed, ~corrupted[0]),
        "written_corrupted": float(bad.sum() / max(1, followed.sum())),
    }
    if chosen.trust is not None:
        score = np.asarray(chosen.trust)[0]
        answers = of_advice.Answers(np.arange(len(score)), corrupted[0], score)
        area = of_advice.auc(answers)
        ends = (area.value, area.low, area.high) if area else (None,) * 3
        figures |= dict(zip(("trust_auc", "trust_auc_lo", "trust_auc_hi"), ends, strict=True))
    return figures


def _share(of: np.ndarray, among: np.ndarray) -> float | None:
    return float(of[among].mean()) if among.any() else None


def _token_by_token(
    shared: Table,
    member: Member,
    learner: Learner,
    index: int,
    key: PRNGKey,
    prompts: np.ndarray,
) -> tuple[Sentences, dict[str, Any]]:
    """W and A write together."""
    config, made = shared.config, _assistant(shared.config)
    sizes = of_tokens.settings_of(member.protocol)
    named = ProtocolConfig(
        member.protocol,
        **{n: getattr(config, n) for n, s in configs.declared(sizes).items() if not s.traced},
    )
    roles = ("E", *made.voices)
    params = (learner.train.params, *(shared.models[role].params for role in roles))
    keys = jax.random.split(key, len(prompts))
    lasting = _lasting(shared, index, prompts)
    run = _writing_together(shared.net, made, named)
    knobs = configs.knobs_of(config, member)
    written, counts = run(params, keys, lasting, jnp.asarray(prompts), knobs)
    asked, followed, corrupted, fooled = (
        float(np.asarray(counts[name]).sum())
        for name in ("asked", "followed", "corrupted", "fooled")
    )
    honest = asked - corrupted
    figures = {
        "answers": asked,
        "corrupted": corrupted / max(asked, 1),
        "followed": followed / max(asked, 1),
        "followed_though_corrupted": fooled / corrupted if corrupted else None,
        "refused_though_good": 1 - (followed - fooled) / honest if honest else None,
    }
    return _host(written), figures


@functools.cache
def _writing_together(net: TextNetwork, made: Assistant, named: ProtocolConfig) -> Callable:
    protocol = token_advice.make(named)

    def run(params: Any, keys: Any, lasting: Any, prompts: Any, knobs: Any) -> Any:
        speak = token_advice.together(protocol, made, lasting, knobs, knobs["temperature"])
        lanes = min(writing.LANES, len(prompts))
        voices = (net,) * len(params)
        return writing.write(voices, speak, params, keys, prompts, protocol.memory(lanes))

    return jax.jit(run)


# --- learning -----------------------------------------------------------------------------------


def _expert_labels(shared: Table, written: Sentences, key: PRNGKey) -> Int[np.ndarray, "N S1"]:
    """What E says after each token of W's own sentences."""
    texts = writing.texts_of(written)
    rows = packing.pack(texts, shared.net.config.context)
    drawn = _answers(shared.net)(shared.models["E"].params, jnp.asarray(rows.tokens), key)
    labels, said = labels_of(written), np.asarray(drawn)
    place = (rows.tokens == MARK).cumsum(axis=1)
    for number in range(len(texts)):
        where = rows.document == number
        labels[number, : where.sum()] = said[where]
    assert place.max() >= 1
    return labels


@functools.cache
def _answers(net: TextNetwork) -> Callable:
    """A draw from a network's policy after every token of rows."""

    def run(params: Params, tokens: Array, key: PRNGKey) -> Array:
        def row(part: tuple[Array, PRNGKey]) -> Array:
            keys = jax.random.split(part[1], tokens.shape[1])
            return writing.draw(keys, net.logits(params, part[0][None])[0], 1.0)

        return jax.lax.map(row, (tokens, jax.random.split(key, len(tokens))))

    return jax.jit(run)


def _learn(
    shared: Table, state: TrainState, window: Window, index: int
) -> tuple[TrainState, float | None]:
    """The round's updates on what was written; none where nothing was."""
    config = shared.config
    data = batch_of(window, shared.net.config.context)
    if not data.weight.any():
        return state, None
    run = learning.updates(shared.net)
    rates = config.learning_rate * np.asarray(finetune.annealing(config.updates))
    order = packing.visits(len(data.tokens), config.batch, config.updates, (config.seed, index, 7))
    chosen, losses = list(order), []
    state = jax.tree.map(jnp.copy, state)  # updates overwrite their argument
    for first in range(0, config.updates, learning.CHUNK):
        rows = np.stack(chosen[first : first + learning.CHUNK])
        guide = learning.Guide(jnp.asarray(rates[first : first + learning.CHUNK], jnp.float32))
        state, found = run(state, jax.tree.map(jnp.asarray, data.take(rows)), guide)
        learning.stop_if_not_finite(found, f"W in round {index + 1}")
        losses.append(np.asarray(found))
    return state, float(np.concatenate(losses).mean())


def batch_of(window: Window, context: int) -> learning.Batch:
    """What was written as rows with their labels; tokens of prompts are not learnt."""
    there = np.flatnonzero(window.length >= 0)
    texts = [window.tokens[i, : window.length[i]].tolist() for i in there]
    rows = packing.pack(texts, context)
    if not len(texts):
        return learning.Batch(rows.tokens, rows.tokens, rows.tokens.astype(np.float32))
    labels = np.zeros_like(rows.tokens)
    weight = np.zeros(rows.tokens.shape, np.float32)
    for number, source in enumerate(there):
        row, place = np.nonzero(rows.document == number)
        labels[row, place] = window.labels[source, : len(place)]
        weight[row, place] = np.arange(len(place)) >= window.given[source]
    return learning.Batch(rows.tokens, labels, weight)


def is_control(row: dict[str, Any]) -> bool:
    """Whether a row is of a member that never asks."""
    return row.get("protocol") == CONTROL
