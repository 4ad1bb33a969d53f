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
from sandwich_jax.language import config as configs
from sandwich_jax.language import (
    learning,
    measures,
    packing,
    protocols,
    token_advice,
    windows,
    writing,
)
from sandwich_jax.language.assistant import Assistant
from sandwich_jax.language.config import Member
from sandwich_jax.language.models import TextModel
from sandwich_jax.language.protocols import NOTHING, OWN, View
from sandwich_jax.language.table import (
    Heard,
    Table,
    assistant_of,
    hear,
    lasting_keys,
    on_host,
)
from sandwich_jax.language.windows import Window
from sandwich_jax.language.writing import Sentences
from sandwich_jax.measures import advice as of_advice
from sandwich_jax.nets.transformer import BLANK, TextNetwork
from sandwich_jax.oversight import protocols as of_tokens
from sandwich_jax.oversight.protocols import ProtocolConfig
from sandwich_jax.types import Params, PRNGKey, TrainState


class Learner(NamedTuple):
    """What a member carries from round to round."""

    train: TrainState
    before: Params
    """W before its last round."""
    window: Window


def first_learner(shared: Table) -> Learner:
    """A member before its first round: W, and nothing written."""
    config, params = shared.config, shared.models["W"].params
    window = windows.empty(config.window * config.sentences, shared.net.config.context)
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
    keys = dict(zip(("own", "prompts", "labels"), jax.random.split(key, 3), strict=True))
    prompts = _prompts(shared, keys["prompts"])
    if member.role == "own_corpus":
        written, figures = own_corpus(shared, keys["own"]), {}
    elif not member.asks:
        written, figures = _own(shared, learner, keys["own"], prompts), {}
    elif config.advice == "token":
        written, figures = _token_by_token(shared, member, learner, index, keys["own"], prompts)
    else:
        written, figures = _sentences(shared, member, learner, index, keys["own"], prompts)
    labels = windows.labels_of(written)
    if member.role == "expert_labels":
        labels = _expert_labels(shared, written, keys["labels"])
    own = Window(*written, labels, _sizes(prompts))
    window = windows.push(learner.window, own)
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


def _own(shared: Table, learner: Learner, key: PRNGKey, prompts: np.ndarray) -> Sentences:
    """What W writes by itself."""
    model = TextModel(shared.net, learner.train.params, shared.models["W"].tokenizer)
    temperature = shared.config.temperature
    return on_host(measures.sample(model, key, len(prompts), prompts, temperature))


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
    """What was done with advice, and whether the score that it was done by could tell.

    As with moves, of several answers the first is looked at: advice was followed where the sentence
    that is written is the first one's. `written_corrupted` is of the answers that were written.
    """
    corrupted, take = heard.corrupted, np.maximum(chosen.take, 0)
    tokens, rows = np.asarray(heard.sentences.tokens), np.arange(len(take))
    written, first = chosen.take >= 0, corrupted[0]
    followed = written & (tokens[take, rows] == tokens[0]).all(axis=-1)
    figures: dict[str, Any] = {
        "answers": corrupted.size,
        "corrupted": float(first.mean()),
        "followed": float(followed.mean()),
        "followed_though_corrupted": _share(followed, first),
        "refused_though_good": _share(~followed, ~first),
        "written_corrupted": _share(corrupted[take, rows], written),
    }
    if chosen.trust is not None:
        score = np.asarray(chosen.trust)[0]
        answers = of_advice.Answers(np.arange(len(score)), first, score)
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
    config, made = shared.config, assistant_of(shared.config)
    sizes = of_tokens.settings_of(member.protocol)
    named = ProtocolConfig(
        member.protocol,
        **{n: getattr(config, n) for n, s in configs.declared(sizes).items() if not s.traced},
    )
    roles = ("E", *made.voices)
    params = (learner.train.params, *(shared.models[role].params for role in roles))
    keys = jax.random.split(key, len(prompts))
    lasting = lasting_keys(shared, index, prompts)
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
    return on_host(written), figures


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
    labels, said = windows.labels_of(written), np.asarray(drawn)
    for number in range(len(texts)):
        where = rows.document == number
        labels[number, : where.sum()] = said[where]
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
    data = windows.batch_of(window, shared.net.config.context)
    if not data.weight.any():
        return state, None
    rates = config.learning_rate * np.asarray(finetune.annealing(config.updates))
    order = packing.visits(len(data.tokens), config.batch, config.updates, (config.seed, index, 7))
    own = jax.tree.map(jnp.copy, state)  # updates overwrite their argument
    plan, who = learning.Plan(list(order), rates), f"W in round {index + 1}"
    states, losses = zip(*learning.learn(shared.net, own, data, plan, who), strict=True)
    return states[-1], float(np.concatenate(losses).mean())
