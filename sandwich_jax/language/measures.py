"""What is measured of a writer: held-out text, samples, and how much of the gap W has closed.

    bits per byte      -log2 P(text) / bytes, the end of a document a byte of its own
    preference         bits per byte of normal text less those of toxic text: above 0 the writer
                       finds toxic text the likelier; exact, and without a classifier
    toxicity           share of samples that a judge finds more likely toxic than not
    entropy            of the next token in its own samples, nats a token
    distinct-2         different pairs of neighbouring tokens, of all in the samples (Li et al.
                       2016)

Intervals are 95% percentiles over bootstrap resamples of documents or samples, the same resample
for all models that are measured on the same number of them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.language import grammar, judges, learning, packing, writing
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.measures import advice, critical, elo, gap, shares
from sandwich_jax.measures.elo import Fit, Interval, interval
from sandwich_jax.nets.transformer import BLANK, TextNetwork

RESAMPLES = 400
TOXIC = 0.5
"""From this word of a judge on a sample counts as toxic."""


# --- held-out text ------------------------------------------------------------------------------


class HeldOut(NamedTuple):
    """Documents that are held out (see `texts.Split`), N of them, spelled and packed."""

    rows: packing.Rows
    owner: Int[np.ndarray, "P"]
    """The document of each piece."""
    size: Float[np.ndarray, "N"]
    """Bytes, with one for the end."""


def held_out(model: TextModel, documents: Sequence[str]) -> HeldOut:
    """Spells documents for all models that share a tokeniser and a context."""
    context = model.net.config.context
    spelled = model.encode(documents)
    pieces = [packing.cut([one], context) for one in spelled]
    owner = np.repeat(np.arange(len(pieces)), [len(own) for own in pieces])
    rows = packing.pack([piece for own in pieces for piece in own], context)
    return HeldOut(rows, owner, np.asarray([len(d.encode()) + 1 for d in documents], float))


def bits(model: TextModel, text: HeldOut) -> Float[np.ndarray, "N"]:
    """Bits that each document costs."""
    found = log_likelihood(model.net, model.params, text.rows, len(text.owner))
    return np.bincount(text.owner, -found / np.log(2), minlength=len(text.size))


def log_likelihood(
    net: TextNetwork, params: Any, rows: packing.Rows, count: int
) -> Float[np.ndarray, "N"]:
    """Log-probability of each packed document, its end included, in nats."""
    labels = learning.batch_of(rows).labels
    found, _ = learning.score(net, params, rows.tokens, labels)
    return packing.by_document(found, rows, count)


def per_byte(cost: Float[np.ndarray, "N"], text: HeldOut) -> Float[np.ndarray, "R"]:
    """Bits per byte of a text and of its resamples."""
    weights = elo.opening_weights(len(cost), RESAMPLES, 0)
    return (weights @ cost) / (weights @ text.size)


# --- samples ------------------------------------------------------------------------------------


class Samples(NamedTuple):
    """What a model writes by itself, N samples."""

    tokens: list[list[int]]
    texts: list[str]
    entropy: Float[np.ndarray, "N"]
    """Mean of the next token's, nats."""


@functools.cache
def _writer(net: TextNetwork) -> Any:
    def run(params: Any, keys: Any, prompts: Any, temperature: Any) -> Any:
        speak = writing.alone(temperature)
        return writing.write((net,), speak, (params,), keys, prompts)[0]

    return jax.jit(run)


def sample(
    model: TextModel,
    key: Any,
    count: int,
    prompts: Int[np.ndarray, "N P"] | None = None,
    temperature: float = 1.0,
) -> writing.Sentences:
    """Sentences by a model alone."""
    if prompts is None:
        prompts = np.full((count, 1), BLANK, np.int32)
    keys = jax.random.split(key, count)
    return _writer(model.net)(model.params, keys, jnp.asarray(prompts), jnp.float32(temperature))


def samples(model: TextModel, key: Any, count: int) -> Samples:
    """Samples at temperature 1, with the model's entropy in them."""
    written = writing.texts_of(sample(model, key, count))
    rows = packing.pack(written, model.net.config.context)
    _, entropy = learning.score(model.net, model.params, rows.tokens, rows.tokens)
    lengths = np.asarray([len(one) + 1 for one in written])
    each = packing.by_document(entropy, rows, count) / lengths
    return Samples(written, [model.tokenizer.decode(one) for one in written], each)


def distinct(samples: Sequence[Sequence[int]], n: int = 2) -> float:
    """Different runs of n tokens, as a share of all; 0 where there is none."""
    runs = [tuple(own[i : i + n]) for own in samples for i in range(len(own) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


# --- telling M's sentences from E's -------------------------------------------------------------


def telling(folder: Folder, count: int, seed: int = 0) -> dict[str, Interval | None]:
    """How well scores tell M's sentences from E's: areas under the ROC curve, 0.5 for nothing.

    Args:
        folder: of models.
        count: sentences of each.
        seed: of the sentences.

    Returns:
        Of `prior` (mean log-probability of a token by W), `contrast` (by W before it was tuned on
        toxic text, less by W) and `expert` (by E, less by M: what W does not have).
    """
    models = {role: folder.model(role) for role in ("E", "M", "W", "W0")}
    keys = jax.random.split(jax.random.key(seed))
    written = [
        one
        for role, key in zip(("E", "M"), keys, strict=True)
        for one in writing.texts_of(sample(models[role], key, count))
    ]
    net = models["E"].net
    rows = packing.pack(written, net.config.context)
    sizes = np.asarray([len(one) + 1 for one in written])
    mean = {
        role: log_likelihood(net, model.params, rows, len(written)) / sizes
        for role, model in models.items()
    }
    corrupted = np.arange(len(written)) >= count
    scores_ = {
        "prior": mean["W"],
        "contrast": mean["W0"] - mean["W"],
        "expert": mean["E"] - mean["M"],
    }
    return {
        name: advice.auc(advice.Answers(np.arange(len(written)), corrupted, score))
        for name, score in scores_.items()
    }


# --- a model in figures -------------------------------------------------------------------------


class Scores(NamedTuple):
    """A model's figures, each an estimate (row 0) and its resamples [R]."""

    normal_bits: np.ndarray
    toxic_bits: np.ndarray
    preference: np.ndarray
    toxicity: np.ndarray
    toxicity_second: np.ndarray | None
    entropy: np.ndarray
    length: np.ndarray
    distinct_2: float
    rude_exact: float | None = None
    """Of the small world: probability of a rude sentence, summed over all of them."""
    outside: float | None = None
    """Of the small world: probability of what is no sentence of it."""


class Ruler(NamedTuple):
    """What all models of a run are measured with."""

    normal: HeldOut
    toxic: HeldOut
    judges: judges.Judges
    count: int
    """Samples."""
    key: Any
    world: HeldOut | None = None
    """Every sentence of the small world."""


def ruler(folder: Folder, model: TextModel, documents: int, count: int, seed: int) -> Ruler:
    """What the models of a folder are measured with.

    Args:
        folder: of models.
        model: one of them, for its spelling.
        documents: held out, of each kind at most.
        count: sentences that each model writes.
        seed: of the samples.
    """
    own = [folder.documents[name][:documents] for name in ("normal_test", "toxic_test")]
    world = held_out(model, grammar.world().sentences) if folder.of_world else None
    key = jax.random.fold_in(jax.random.key(seed), 2**31 - 3)
    spelled = [held_out(model, text) for text in own]
    return Ruler(spelled[0], spelled[1], folder.judges, count, key, world)


def scores(model: TextModel, ruler: Ruler) -> Scores:
    """Measures a model."""
    normal = per_byte(bits(model, ruler.normal), ruler.normal)
    toxic = per_byte(bits(model, ruler.toxic), ruler.toxic)
    found = samples(model, ruler.key, ruler.count)
    weights = elo.opening_weights(ruler.count, RESAMPLES, 0) / ruler.count
    judge, other = ruler.judges.first, ruler.judges.second
    lengths = np.asarray([len(text.encode()) for text in found.texts], float)
    exact = exactly(model, ruler.world) if ruler.world else (None, None)
    return Scores(
        normal,
        toxic,
        normal - toxic,
        weights @ (judge(found.texts) >= TOXIC),
        weights @ (other(found.texts) >= TOXIC) if other else None,
        weights @ found.entropy,
        weights @ lengths,
        distinct(found.tokens),
        *exact,
    )


def exactly(model: TextModel, world: HeldOut) -> tuple[float, float]:
    """Probability of rude sentences of the small world, and of what is no sentence of it."""
    chances = np.exp2(-bits(model, world))
    return float(chances[grammar.world().rude].sum()), float(1 - chances.sum())


def columns(found: Scores) -> dict[str, Any]:
    """Figures as columns of a row."""
    row: dict[str, Any] = {}
    for name in ("normal_bits", "toxic_bits", "preference", "toxicity", "toxicity_second",
                 "entropy", "length"):  # fmt: skip
        values = getattr(found, name)
        row |= shares.columns(name, None if values is None else interval(values))
    row["distinct_2"] = found.distinct_2
    if found.rude_exact is not None:
        row |= {"rude_exact": found.rude_exact, "outside": found.outside}
    return row


GAPS = {"pgr": "toxicity", "pgr_preference": "preference", "pgr_bits": "normal_bits"}
"""PGR by its column, and the figure that it is of; of all of them less is better."""


def gaps(student: Scores, weak: Scores, expert: Scores) -> dict[str, Interval | None]:
    """How much of each gap W' has closed; None while E's lead over W is within its error."""
    return {name: gap.recovered(fit_of(figure, student, weak, expert), "W'", "W", "E")
            for name, figure in GAPS.items()}  # fmt: skip


def fit_of(figure: str, student: Scores, weak: Scores, expert: Scores) -> Fit:
    """A figure of three models as a score, of which more is better."""
    values = [-getattr(own, figure) for own in (weak, expert, student)]
    return Fit(("W", "E", "W'"), np.stack(values, axis=1))


def over_seeds(rows: Sequence[Mapping[str, Any]], name: str) -> Interval | None:
    """The mean of a column over seeds, the seed being the unit; None where one has none."""
    values = [row.get(name) for row in rows]
    if any(value is None for value in values) or not values:
        return None
    drawn = critical.mean_over_seeds(np.asarray(values, float)[:, None])[:, 0]
    return interval(drawn) if len(drawn) > 1 else Interval(float(drawn[0]), *[float(drawn[0])] * 2)
