"""What tuning does to what a model says: tuned models beside their base, task by task.

Every model goes on with the same prompts several times. Of the continuations:

    entropy     of the next token, nats a token
    top         probability of the likeliest next token
    kl          KL(model || base) of the next token, nats a token, on what the model itself wrote
    distinct_n  different runs of n tokens, of all
    length      tokens of a continuation
    agreement   share of pairs of continuations of one prompt that are the same
    toxicity    share that a judge finds toxic, without their prompts; `toxicity_second`: another
                judge
    right       share of questions answered rightly, by the first word

Intervals are 95%, over bootstrap resamples of prompts.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandwich_jax import outputs
from sandwich_jax.folders import store
from sandwich_jax.language import judges, measures, models, packing, writing
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.language.tasks import Task, tasks
from sandwich_jax.machine import display
from sandwich_jax.measures import elo, shares, shift
from sandwich_jax.nets.transformer import BLANK, TextNetwork
from sandwich_jax.types import Params, SettingError

SPELLED = "text:"
"""A model of text is spelled text:FOLDER."""
AGAIN = 4
"""Continuations of each prompt."""
CHUNK = 16
"""Rows at a time."""
MEANS = ("entropy", "top", "kl", "length", "agreement", "toxicity", "toxicity_second", "right")


class Continued(NamedTuple):
    """What a model made of a task's prompts: N prompts, each `AGAIN` times."""

    tokens: list[list[int]]
    """[N AGAIN] whole sentences."""
    given: np.ndarray
    """int[N AGAIN], tokens of the prompt."""


def is_spelled(spec: str) -> bool:
    """Whether a spelling names a model of text."""
    return spec.startswith(SPELLED)


def load(spec: str) -> TextModel:
    """A model of text by its spelling.

    Raises:
        SettingError: it is another's, or there is none.
    """
    if not is_spelled(spec):
        raise SettingError(f"{spec} is no model of text: all must be, or none (text:FOLDER).")
    return models.read(pathlib.Path(spec.removeprefix(SPELLED)))


def rows_of(
    named: Mapping[str, TextModel],
    base: str,
    given: Sequence[Task],
    judged: judges.Judges,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> list[dict[str, Any]]:
    """One row a task and a model.

    Args:
        named: models by name, of one spelling.
        base: the one of them that the others were tuned from.
        given: tasks.
        judged: who says how toxic a continuation is.
        seed: of the continuations; all models share it.
        progress: told what is done.
    """
    rows, reference = [], named[base]
    for number, task in enumerate(given):
        key = jax.random.fold_in(jax.random.key(seed), number)
        for place, (name, model) in enumerate(named.items()):
            found = continued(model, key, task)
            rows.append(
                {
                    "task": task.name,
                    "player": name,
                    **_columns(model, reference, task, found, judged),
                }
            )
            progress(number * len(named) + place + 1, len(given) * len(named), task.name)
    return rows


def continued(model: TextModel, key: Any, task: Task) -> Continued:
    """Continuations of every prompt, one after another `AGAIN` times."""
    prompts = np.repeat(task.prompts, AGAIN, axis=0)
    written = measures.sample(model, key, len(prompts), prompts)
    return Continued(writing.texts_of(written), (prompts != BLANK).sum(axis=1))


def _columns(
    model: TextModel, base: TextModel, task: Task, found: Continued, judged: judges.Judges
) -> dict[str, Any]:
    rows = packing.pack(found.tokens, model.net.config.context)
    figures = _at_tokens(model.net, model.params, base.params, rows.tokens)
    sizes = np.asarray([len(one) for one in found.tokens])
    own = [one[first:] for one, first in zip(found.tokens, found.given, strict=True)]
    new = np.asarray([len(one) for one in own], float)
    count = np.maximum(sizes - found.given + 1, 1)  # with the end
    values: dict[str, np.ndarray | None] = {
        name: packing.by_document(x * _beyond(rows, found.given), rows, len(sizes)) / count
        for name, x in figures.items()
    }
    texts = [model.tokenizer.decode(one) for one in own]
    first, second = judged.first, judged.second
    values |= {
        "length": new,
        "agreement": _agreement(texts),
        "toxicity": (first(texts) >= measures.TOXIC).astype(float),
        "toxicity_second": (second(texts) >= measures.TOXIC).astype(float) if second else None,
        "right": _right(task, texts),
    }
    columns: dict[str, Any] = {"prompts": len(task.prompts)}
    for name in MEANS:
        value = values[name]
        columns |= shares.columns(name, None if value is None else _mean(value))
    for n in (1, 2, 3):
        columns |= shares.columns(f"distinct_{n}", distinct(own, n))
    return columns


def _beyond(rows: packing.Rows, given: np.ndarray) -> np.ndarray:
    """Where what comes next is the model's own, and not of the prompt."""
    place = np.zeros(rows.tokens.shape, np.int64)
    for row, own in enumerate(rows.document):
        begins = np.flatnonzero(np.diff(own, prepend=-2))
        place[row] = (
            np.arange(len(own)) - begins[np.searchsorted(begins, np.arange(len(own)), "right") - 1]
        )
    return (rows.document >= 0) & (place >= given[np.maximum(rows.document, 0)])


def _agreement(texts: Sequence[str]) -> np.ndarray:
    """Of each continuation with the others of its prompt."""
    found = np.zeros(len(texts))
    for first in range(0, len(texts), AGAIN):
        own = texts[first : first + AGAIN]
        for i, text in enumerate(own):
            found[first + i] = (sum(text == other for other in own) - 1) / (AGAIN - 1)
    return found


def _right(task: Task, texts: Sequence[str]) -> np.ndarray | None:
    if task.answers is None:
        return None
    wanted = [answer for answer in task.answers for _ in range(AGAIN)]
    said = [text.strip(" .,").split(" ")[0].strip(".,") for text in texts]
    return np.asarray([a == b for a, b in zip(said, wanted, strict=True)], float)


def _weights(prompts: int) -> Float[np.ndarray, "R N"]:
    return np.repeat(elo.opening_weights(prompts, measures.RESAMPLES, 0), AGAIN, axis=1)


def _mean(values: np.ndarray) -> elo.Interval:
    weights = _weights(len(values) // AGAIN)
    return elo.interval((weights @ values) / weights.sum(axis=1))


def distinct(own: Sequence[Sequence[int]], n: int) -> elo.Interval:
    """Distinct-n with an interval over prompts: of each resample, of as many continuations.

    A resample holds some prompts twice, which makes it poorer by itself: the resamples are moved
    so that their mean is the estimate.
    """
    runs = [[tuple(one[i : i + n]) for i in range(len(one) - n + 1)] for one in own]
    weights = _weights(len(own) // AGAIN)[:101]
    found = []
    for weight in weights:
        chosen = [runs[i] for i in np.repeat(np.arange(len(own)), weight.astype(int))]
        every = [run for one in chosen for run in one]
        found.append(len(set(every)) / len(every) if every else 0.0)
    samples = np.asarray(found)
    samples[1:] += samples[0] - samples[1:].mean()
    return elo.interval(samples)


@functools.cache
def _figures(net: TextNetwork) -> Callable:
    def run(params: Params, base: Params, tokens: Array) -> dict[str, Array]:
        own, other = (jax.nn.log_softmax(net.logits(p, tokens)) for p in (params, base))
        return {
            "entropy": shift.entropy(own),
            "top": jnp.exp(own.max(-1)),
            "kl": shift.divergence(own, other),
        }

    return jax.jit(run)


def _at_tokens(
    net: TextNetwork, params: Params, base: Params, tokens: np.ndarray
) -> dict[str, np.ndarray]:
    """Entropy, top probability and KL to the base after every token of rows."""
    parts = []
    for first in range(0, len(tokens), CHUNK):
        rows = np.arange(first, first + CHUNK) % len(tokens)
        found = _figures(net)(params, base, jnp.asarray(tokens[rows]))
        parts.append({name: np.asarray(x)[: len(tokens) - first] for name, x in found.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# --- the verb -----------------------------------------------------------------------------------


def show(
    base: str,
    tuned: Sequence[str],
    names: Sequence[str],
    count: int,
    out: pathlib.Path | None,
    console: Console,
) -> list[dict[str, Any]]:
    """Compares models of text, shows and returns the rows.

    Args:
        base: text:FOLDER, in a folder of models whose documents and judges are used.
        tuned: likewise.
        names: of tasks; all by default.
        count: prompts of each task.
        out: gets the rows as JSON lines.
        console: for tables.

    Raises:
        SettingError: a model or a task cannot be used, or a model is named twice.
    """
    specs = [base, *tuned]
    if len(set(specs)) < len(specs):
        raise SettingError("shift needs models that differ, each named once.")
    with outputs.Lines(out) as lines:
        named = {spec: load(spec) for spec in specs}
        home = pathlib.Path(base.removeprefix(SPELLED)).absolute().parent
        folder = Folder(home)
        if any(one.tokenizer != named[base].tokenizer for one in named.values()):
            raise SettingError("The models spell text differently: compare those of one folder.")
        given = tasks(names, folder, named[base], count)
        with display.bar("Shift") as bar:
            rows = rows_of(named, base, given, folder.judges, progress=bar.update)
        for task in given:
            console.print(table([row for row in rows if row["task"] == task.name]))
        lines.add(store.to_plain(rows))
    return rows


COLUMNS = {
    "entropy": ".2f",
    "top": ".2f",
    "distinct_2": ".3f",
    "kl": ".3f",
    "length": ".1f",
    "agreement": ".2f",
    "toxicity": ".2f",
    "toxicity_second": ".2f",
    "right": ".2f",
}
"""What a table shows, and how."""


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One task."""
    shown = Table(
        title=escape(f"Task '{rows[0]['task']}', {rows[0]['prompts']} prompts, each {AGAIN} times"),
        caption="Means with half their 95% intervals; entropy and KL to the base in nats a token.",
    )
    shown.add_column("model", overflow="fold")
    used = [name for name in COLUMNS if rows[0].get(name) is not None]
    for name in used:
        shown.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        shown.add_row(escape(row["player"]), *(_cell(row, name) for name in used))
    return shown


def _cell(row: Mapping[str, Any], name: str) -> str:
    half = (row[f"{name}_hi"] - row[f"{name}_lo"]) / 2
    return f"{row[name]:{COLUMNS[name]}} ±{half:{COLUMNS[name]}}"
