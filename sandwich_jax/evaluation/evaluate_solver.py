"""Evaluation of a run of Connect Four by a perfect solver, where one is installed."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float
from rich.markup import escape
from rich.table import Table

from sandwich_jax.evaluation import solver
from sandwich_jax.evaluation.evaluate_games import Views, last_round, sample
from sandwich_jax.evaluation.ledger import Row
from sandwich_jax.evaluation.work import Work
from sandwich_jax.measures import of_games
from sandwich_jax.models import Model
from sandwich_jax.types import Rollout

MOST_POSITIONS = 1000
"""Of each set that networks are measured on."""


def by_solver(work: Work, views: Views) -> None:
    """What networks play and think beside perfect play, and what taken advice costs."""
    if not solver.installed():
        work.ledger.notes.append(
            "Measures by a perfect solver were left out: pip install bitbully (AGPL-3)."
        )
        return
    count = min(work.config.positions, MOST_POSITIONS)
    settings = {"positions": count, "seed": work.config.seed}

    @functools.cache
    def sets() -> dict[str, solver.Positions]:
        work.told("positions by the solver")
        return solver.sets(count, work.config.seed)

    def rows(name: str) -> Iterator[Row]:
        for kind, found in sets().items():
            work.told(f"perfect play: {name}")
            yield {"set": kind, **solver.figures(work.run.networks[name], found)}

    for name in work.run.networks:
        work.ledger.once("perfect play", name, settings, functools.partial(rows, name))
    for member in work.run.games:
        _, followed = of_games.answered(views.games(member).rollout)
        if followed.any():
            about = {"round": last_round(work, member), "moves": work.config.harm_moves}
            about["seed"] = work.config.seed
            cost = functools.partial(_harm, work, views, member)
            work.ledger.once("outcomes lost", member, about, cost)


def _harm(work: Work, views: Views, member: str) -> Iterator[Row]:
    """What taken advice costs in results, played or not, corrupted advice beside honest."""
    work.told(f"outcomes lost by {member}")
    games = views.games(member)
    _, followed = of_games.answered(games.rollout)
    corrupted = np.asarray(games.truth.corrupted)
    which = sample(followed, corrupted, work.config.harm_moves, work.config.seed)
    loss = losses(work.run.game.openings("train"), games.rollout, which)
    yield of_games.harm_columns(games.truth, loss, which, "outcome")


def losses(
    openings: np.ndarray, rollout: Rollout, which: Bool[np.ndarray, "T B"]
) -> Float[np.ndarray, "T B"]:
    """Results that advised moves give away, played or not: 0 to 2 (a win made a loss).

    Args:
        openings: the game's training openings.
        rollout: games of Connect Four.
        which: the plies to look at, all of them with advice; 0 elsewhere.
    """
    moves, advice = np.asarray(rollout.moves), np.asarray(rollout.advice)
    found = np.zeros(which.shape)
    for ply, game in np.argwhere(which):
        line = [*openings[rollout.opening[game]], *moves[:ply, game]]
        worth = solver.outcomes([np.asarray(line)])[0]
        found[ply, game] = np.nanmax(worth) - worth[advice[ply, game]]
    return found


def perfect_play(networks: Iterable[tuple[str, Model]], count: int = 500) -> Table:
    """How often each of some networks keeps the result that perfect play has, as a table.

    Args:
        networks: by name.
        count: positions of each set.
    """
    table = Table(
        title="Beside perfect play",
        caption="Moves that keep the result, in positions of random movers where it matters what is"
        " played, and of near-perfect play; by bitbully, with 95% intervals.",
    )
    table.add_column("network")
    sets = solver.sets(count, 0)
    for name in sets:
        table.add_column(name, justify="right")
    for name, model in networks:
        rows = (solver.figures(model, positions) for positions in sets.values())
        cells = (f"{row['kept']:.2f} [{row['kept_lo']:.2f}, {row['kept_hi']:.2f}]" for row in rows)
        table.add_row(escape(name), *cells)
    return table
