"""Evaluation of a run's last self-play games: advice, calibration, queries, harm, quality."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from sandwich_jax.engines import analyses
from sandwich_jax.evaluation import judged
from sandwich_jax.evaluation.ledger import Row
from sandwich_jax.evaluation.work import Games, Work
from sandwich_jax.folders import log
from sandwich_jax.measures import advice, calibration, quality, shares
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
        return advice.view(run.game, run.net, run.networks[network], self.games(member).rollout)


def advice_of(work: Work, views: Views) -> None:
    """Asked, followed, refused; harm by E's own values; detection; calibration of W' and W."""
    for member in work.run.games:
        settings = {"round": _last_round(work, member)}
        for measure, rows in (("advice", _advice), ("detection", _detection)):
            work.ledger.once(measure, member, settings, functools.partial(rows, views, member))
        work.ledger.once(
            "calibration", member, settings, functools.partial(_calibration, views, member)
        )


def _last_round(work: Work, member: str) -> int:
    return max(row["round"] for row in work.run.rows if row["member"] == member)


def _networks(views: Views, member: str) -> list[tuple[str, str]]:
    """Names of W' and W for rows, and in the run."""
    there = member in views.work.run.networks
    return [*([("W'", member)] if there else []), ("W", "W")]


def _advice(views: Views, member: str) -> Iterator[Row]:
    _, rollout, truth = views.games(member)
    row: Row = {}
    for name, share in advice.counts(rollout, truth).items():
        row |= shares.columns(name, share)
    asked, followed = _answered(views.games(member))
    row["queries"] = int(asked.sum())
    if followed.any():
        loss = advice.expert_loss(views.of("E", member))
        row |= _harm_columns(views.games(member), loss, followed, "expert_harm")
    yield row


def _answered(games: Games) -> tuple[Bool[np.ndarray, "T B"], Bool[np.ndarray, "T B"]]:
    """Where W asked, and where it followed."""
    asked = np.asarray(games.rollout.asked) & np.asarray(games.rollout.played)
    return asked, asked & np.asarray(games.rollout.followed)


def _harm_columns(games: Games, loss: np.ndarray, which: Bool[np.ndarray, "T B"], name: str) -> Row:
    """Harm by one judge's losses, [T, B], over the moves `which`."""
    game = np.broadcast_to(np.arange(which.shape[1]), which.shape)
    found = advice.harm(loss[which], np.asarray(games.truth.corrupted)[which], game[which])
    row: Row = {f"{name}_corrupted": found.corrupted, f"{name}_honest": found.honest}
    row |= shares.columns(name, found.difference)
    return row | dict(
        zip((f"{name}_moves_corrupted", f"{name}_moves_honest"), found.moves, strict=True)
    )


def _detection(views: Views, member: str) -> Iterator[Row]:
    games = views.games(member)
    for network, name in _networks(views, member):
        for score in advice.TRUST:
            trust = getattr(views.of(name, member), score)
            given = advice.answers(games.rollout, games.truth, trust)
            row: Row = {"network": network, "score": score, "answers": len(given.score)}
            row |= shares.columns("auc", advice.auc(given))
            yield row | {"curve": advice.trade_off(given)}


def _calibration(views: Views, member: str) -> Iterator[Row]:
    games = views.games(member)
    played = np.asarray(games.rollout.played)
    results = advice.results_of_movers(games.rollout, games.truth)[played]
    game = np.broadcast_to(np.arange(played.shape[1]), played.shape)[played]
    for network, name in _networks(views, member):
        found = calibration.reliability(views.of(name, member).value[played], results, game)
        if found:
            yield {"network": network, "positions": len(results), **found._asdict()}


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
        settings = {"round": _last_round(work, member)}
        work.ledger.once("queries", member, settings, functools.partial(advice.queries_spent, own))


# --- by an engine -------------------------------------------------------------------------------


def harm_of(work: Work, views: Views, judge: analyses.Analyses) -> bool:
    """What followed advice costs by the engine, and how far E's own values tell as much.

    Returns:
        Whether the engine could go on.
    """
    config = work.config
    for member in work.run.games:
        _, followed = _answered(views.games(member))
        if not followed.any():
            continue
        settings = {"round": _last_round(work, member), "moves": config.harm_moves}
        settings |= {"engine": judge.engine, "nodes": judge.nodes, "seed": config.seed}
        rows = functools.partial(_harm, work, views, member, judge)
        if not work.ledger.once("harm", member, settings, rows):
            return False
    return True


def _harm(work: Work, views: Views, member: str, judge: analyses.Analyses) -> Iterator[Row]:
    games = views.games(member)
    _, followed = _answered(games)
    corrupted = np.asarray(games.truth.corrupted)
    which = _sample(followed, corrupted, work.config.harm_moves, work.config.seed)
    found = judged.judge(judge, games.rollout, which, _told(work, f"harm of {member}"))
    at = found.ply, found.moves.game
    loss, proxy = np.zeros(which.shape), advice.expert_loss(views.of("E", member))
    loss[at] = quality.win_loss(found.moves)
    agreement = advice.agreement(proxy[which], loss[which])
    row = _harm_columns(games, loss, which, "harm")
    if agreement:
        row |= {"expert_pearson": agreement.pearson, "expert_spearman": agreement.spearman}
    yield row | _harm_columns(games, proxy, which, "expert_harm")


def _sample(
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
        settings = {"round": _last_round(work, member), "games": work.config.quality_games}
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
