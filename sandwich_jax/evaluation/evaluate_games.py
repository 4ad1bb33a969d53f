"""Evaluation of a run's last self-play games: advice, calibration, queries, harm, quality."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import Bool

from sandwich_jax.engines import analyses
from sandwich_jax.evaluation import judged
from sandwich_jax.evaluation.work import Work
from sandwich_jax.folders import log
from sandwich_jax.measures import advice, of_games, quality
from sandwich_jax.measures.of_games import Row, Seen
from sandwich_jax.types import SettingError


class Views:
    """What networks make of the members' games, each looked at once."""

    def __init__(self, work: Work):
        self.work = work
        self.games = functools.cache(work.run.load_games)
        self.of = functools.cache(self._of)

    def _of(self, network: str, member: str) -> advice.View:
        self.work.told(f"games of {member} seen by {network}")
        run = self.work.run
        return advice.view(run.game, run.networks[network], self.games(member).rollout)


def measures_of(work: Work, views: Views) -> None:
    """All measures of a member's last games that need nothing else."""
    for member in work.run.games:
        # A run that stopped before its last network was stored is measured again when it is there.
        settings = {"round": last_round(work, member), "networks": [*networks_of(work, member)]}
        for name, measure in of_games.MEASURES.items():
            if measure.of is not None:
                rows = functools.partial(_rows, measure.of, views, member)
                work.ledger.once(name, member, settings, rows)


def _rows(of: Callable[[Seen], Iterable[Row]], views: Views, member: str) -> Iterable[Row]:
    games, networks = views.games(member), networks_of(views.work, member)
    named = {"E": "E", "W": "W", "W'": member}
    return of(Seen(games.rollout, games.truth, lambda n: views.of(named[n], member), networks))


def networks_of(work: Work, member: str) -> tuple[str, ...]:
    """Whose judgement of a member's games can be measured."""
    return ("W'", "W") if member in work.run.networks else ("W",)


def last_round(work: Work, member: str) -> int:
    """The number of the last round that a member has a row of."""
    return max(row["round"] for row in work.run.rows if row["member"] == member)


def queries_of(work: Work) -> None:
    """PGR against queries spent, a row a round."""
    for member in dict.fromkeys(row["member"] for row in work.run.rows):
        own = [row for row in work.run.rows if row["member"] == member]
        if log.rounds_whole(own, 1) < own[-1]["round"]:
            work.ledger.notes.append(
                f"{member}: rows.jsonl lacks rounds: its queries were left out."
            )
            continue
        if not all({"queries", "pgr", "pgr_lo", "pgr_hi"} <= set(row) for row in own):
            work.ledger.notes.append(f"{member}: rows.jsonl does not count queries (an older run).")
            continue
        settings = {"round": last_round(work, member)}
        work.ledger.once("queries", member, settings, functools.partial(advice.queries_spent, own))


# --- by an engine -------------------------------------------------------------------------------


def harm_of(work: Work, views: Views, judge: analyses.Analyses) -> bool:
    """What taken advice costs by the engine, and how far E's own values tell as much.

    The advised move is judged, also where W took it to learn and played another.

    Returns:
        Whether the engine could go on.
    """
    config = work.config
    for member in work.run.games:
        _, followed = of_games.answered(views.games(member).rollout)
        if not followed.any():
            continue
        settings = {"round": last_round(work, member), "moves": config.harm_moves}
        settings |= {"engine": judge.engine, "nodes": judge.nodes, "seed": config.seed}
        rows = functools.partial(_harm, work, views, member, judge)
        if not work.ledger.once("harm", member, settings, rows):
            return False
    return True


def _harm(work: Work, views: Views, member: str, judge: analyses.Analyses) -> Iterator[Row]:
    games = views.games(member)
    _, followed = of_games.answered(games.rollout)
    corrupted = np.asarray(games.truth.corrupted)
    which = sample(followed, corrupted, work.config.harm_moves, work.config.seed)
    told, advised = _told(work, f"harm of {member}"), np.asarray(games.rollout.advice)
    found = judged.judge(judge, games.rollout, which, told, advised)
    at = found.ply, found.moves.game
    loss, proxy = np.zeros(which.shape), advice.expert_loss(views.of("E", member))
    loss[at] = quality.win_loss(found.moves)
    agreement = advice.agreement(proxy[which], loss[which])
    row = of_games.harm_columns(games.truth, loss, which, "harm")
    if agreement:
        row |= {"expert_pearson": agreement.pearson, "expert_spearman": agreement.spearman}
    yield row | of_games.harm_columns(games.truth, proxy, which, "expert_harm")


def sample(
    followed: Bool[np.ndarray, "T B"], corrupted: Bool[np.ndarray, "T B"], count: int, seed: int
) -> Bool[np.ndarray, "T B"]:
    """So many followed answers, half of them corrupted as far as there are enough of both."""
    rng = np.random.default_rng(seed)
    kinds = [np.argwhere(followed & corrupted), np.argwhere(followed & ~corrupted)]
    wanted = [
        max(count // 2, count - len(kinds[1])),
        max(count - count // 2, count - len(kinds[0])),
    ]
    chosen = np.zeros(followed.shape, bool)
    for places, most in zip(kinds, wanted, strict=True):
        taken = places[rng.permutation(len(places))[:most]]
        chosen[tuple(taken.T)] = True
    return chosen


def _told(work: Work, text: str):
    return lambda done, total: work.told(f"{text}: {done} of {total} positions")


def quality_of(work: Work, views: Views, judge: analyses.Analyses) -> bool:
    """How well both sides of self-play moved; returns whether the engine could go on."""
    for member in work.run.games:
        settings = {"round": last_round(work, member), "games": work.config.quality_games}
        settings |= {"engine": judge.engine, "nodes": judge.nodes}
        rows = functools.partial(_quality, work, views, member, judge)
        if not work.ledger.once("quality", member, settings, rows):
            return False
    return True


def _quality(work: Work, views: Views, member: str, judge: analyses.Analyses) -> Iterator[Row]:
    rollout = views.games(member).rollout
    played = np.asarray(rollout.played).copy()
    played[:, work.config.quality_games :] = False
    if not played.any():
        raise SettingError("no move was played.")
    found = judged.judge(judge, rollout, played, _told(work, f"quality of {member}"))
    by_assisted = np.asarray(rollout.assisted)[found.ply, found.moves.game]
    for side, rows in (("assisted", by_assisted), ("alone", ~by_assisted)):
        moves = quality.Moves(*(column[rows] for column in found.moves))
        yield {"side": side, **quality.summary(moves)}
