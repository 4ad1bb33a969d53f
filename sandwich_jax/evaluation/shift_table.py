"""The verb `shift`: networks beside the one that they were tuned from, on the same positions."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandwich_jax import games, sampling
from sandwich_jax.evaluation import position_sets
from sandwich_jax.folders import store
from sandwich_jax.machine import display
from sandwich_jax.measures import positions, shift
from sandwich_jax.models import Model
from sandwich_jax.players import contest, spelled
from sandwich_jax.types import SettingError


def policy(model: Model) -> shift.LogPolicy:
    """A network's log-probabilities over legal moves of chess.

    Raises:
        SettingError: it has no opinion of all moves, or looks back over a game.
    """
    if not model.net.judges_all_moves:
        raise SettingError(
            "Policies are compared on positions without a game: choose networks, and of those of"
            " lc0 the ones that see the position alone (lc0:PATH)."
        )
    return functools.partial(_log_policy, model)


@jax.jit
def _log_policy(model: Model, encoded: Array) -> Float[Array, "B A"]:
    logits = model.of_encoded(games.make("chess"), encoded).logits
    masked = sampling.mask_logits(logits, positions.legal(encoded))
    # Illegal moves keep a finite number: 0 times it is 0 in the sums over moves.
    return jax.nn.log_softmax(masked)


def rows_of(
    policies: Mapping[str, shift.LogPolicy],
    references: Mapping[str, str],
    sets: Mapping[str, np.ndarray],
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> Iterator[dict[str, Any]]:
    """One row a set of positions, a phase that it has ("all" first) and a policy.

    Args:
        policies: by name.
        references: names among them and a word for each, see `shift.summary`.
        sets: encoded positions by the name of the set.
        progress: told positions done, positions in all, and of which set.
    """
    total, before = sum(map(len, sets.values())), 0
    for name, encoded in sets.items():

        def told(done: int, name: str = name, before: int = before) -> None:
            progress(before + done, total, name)

        found = shift.figures(policies, tuple(references), encoded, told)
        before += len(encoded)
        phase = positions.phases(encoded)
        groups = {"all": np.ones(len(encoded), bool)}
        groups |= {p: phase == p for p in positions.PHASES if (phase == p).any()}
        for group, rows in groups.items():
            for player in policies:
                columns = shift.summary(found, player, references, rows)
                yield {"set": name, "phase": group, "player": player, **columns}


def show(
    base: str,
    tuned: Sequence[str],
    sets: Sequence[str],
    expert: str | None,
    count: int,
    out: pathlib.Path | None,
    console: Console,
) -> list[dict[str, Any]]:
    """Compares, shows and returns the rows.

    Raises:
        SettingError: a network or a set of positions cannot be used, or is named twice.
    """
    specs = [base, *tuned, *([expert] if expert and expert not in tuned else [])]
    if len(set(specs)) < len(specs) or len(set(sets)) < len(sets) or not sets:
        raise SettingError("shift needs networks that differ and positions, each named once.")
    with contest.results(out, specs, files=position_sets.inputs_of(sets)) as lines:
        policies = {spec: policy(spelled.load_network(spec)) for spec in specs}
        references = {base: "start"} | ({expert: "expert"} if expert else {})
        trained = position_sets.trained_games([base, *([expert] if expert else [])])
        with display.bar("Shift") as bar:
            given = {}
            for spec in sets:
                bar.say(f"positions of {spec}")
                given[spec] = position_sets.positions(spec, count, 0, trained)
            rows = list(rows_of(policies, references, given, bar.update))
        for name in given:
            own = [row for row in rows if row["set"] == name]
            console.print(table(own, tuple(references.values())))
        lines.add(store.to_plain(rows))
    return rows


def table(rows: Sequence[dict[str, Any]], words: Sequence[str]) -> Table:
    """One set of positions, phases below one another."""
    shown = Table(
        title=escape(f"Policies on {rows[0]['set']}"),
        caption="Means over positions with 95% intervals; entropy and KL(player || start) in nats.",
    )
    shown.add_column("phase", no_wrap=True)
    shown.add_column("player", overflow="fold")
    columns = ["entropy", "effective_moves"]
    columns += [f"{figure}_{word}" for word in words for figure in ("kl_to", "top1_with")]
    for header in ("count", *columns):
        shown.add_column(header.replace("_", " "), justify="right")
    for row in rows:
        cells = [_cell(row, name) for name in columns]
        shown.add_row(row["phase"], escape(row["player"]), str(row["positions"]), *cells)
    return shown


def _cell(row: dict[str, Any], name: str) -> str:
    """A figure and half its interval."""
    form = ".0%" if name.startswith("top1") else ".2f"
    half = (row[f"{name}_hi"] - row[f"{name}_lo"]) / 2
    return f"{row[name]:{form}} ±{half:{form}}"
