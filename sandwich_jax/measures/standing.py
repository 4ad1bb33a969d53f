"""Where W', A and E stand: the matches of a run, one joint Elo fit, one row a member."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import arena, nets
from sandwich_jax.games import Game
from sandwich_jax.measures import elo, gap
from sandwich_jax.members import CONTROL, Config, Member, knobs_of
from sandwich_jax.misalign import transforms
from sandwich_jax.types import Knobs, Metrics, Params, Rollout, State, Truth

Matches = dict[tuple[str, str], arena.Scores]
"""Scores of matches by the two players' names."""


class Standings:
    """Plays the matches of a run; every player is a network behind the misalignment.

    All matches share one key and start from the same openings in the same order: what two
    players have in common cancels in their difference.
    """

    def __init__(
        self,
        config: Config,
        game: Game,
        net: nets.Network,
        expert: Params,
        weak: Params,
        starts: State,
    ):
        self.config, self.expert, self.weak, self.starts = config, expert, weak, starts
        corrupt = transforms.compose(transforms.parse(config.misalignment))
        policy = arena.network_policy(game, net, corrupt)
        settings = arena.ArenaConfig(config.lanes, config.arena_max_plies)
        self.match = jax.jit(arena.make_match(game, policy, policy, settings))
        self.key = jax.random.fold_in(jax.random.key(config.seed), 2**31 - 1)
        self.honest = knobs_of(config, None, config.arena_temperature)

    def play(self, a: tuple[Params, Knobs], b: tuple[Params, Knobs], openings: int) -> arena.Scores:
        """One match from the first `openings` openings, seen by `a`."""
        scores = self.match(self.key, a, b, self.starts, jnp.int32(openings))
        return arena.first_openings(jax.tree.map(np.asarray, scores), openings)

    def _assistant(self, member: Member) -> tuple[Params, Knobs]:
        return self.expert, knobs_of(self.config, member, self.config.arena_temperature)

    def baseline(self, members: tuple[Member, ...], told: Callable[[str], None]) -> Matches:
        """W, E and every corrupt A against one another; `told` of every match."""
        count = self.config.final_openings
        weak, expert = (self.weak, self.honest), (self.expert, self.honest)
        matches = {("E", "W"): self.play(expert, weak, count)}
        told("arena: E against W")
        for name, member in {m.assistant: m for m in members if m.assistant != "E"}.items():
            for other, opponent in (("W", weak), ("E", expert)):
                matches[name, other] = self.play(self._assistant(member), opponent, count)
                told(f"arena: A ({name}) against {other}")
        return matches

    def students(
        self, members: tuple[Member, ...], networks: dict[str, Params], told: Callable[[str], None]
    ) -> Matches:
        """Every W' against W, on few openings: where it stands after a round."""
        matches: Matches = {}
        for member in members:
            student, weak = (networks[member.name], self.honest), (self.weak, self.honest)
            matches[member.name, "W"] = self.play(student, weak, self.config.round_openings)
            told(f"arena: {member.name} against W")
        return matches

    def final(
        self, members: tuple[Member, ...], networks: dict[str, Params], told: Callable[[str], None]
    ) -> Matches:
        """Every W' against W, E and its own A."""
        matches: Matches = {}
        for member in members:
            student = (networks[member.name], self.honest)
            opponents = {"W": (self.weak, self.honest), "E": (self.expert, self.honest)}
            opponents[member.assistant] = self._assistant(member)
            for other, opponent in opponents.items():
                count = self.config.final_openings
                matches[member.name, other] = self.play(student, opponent, count)
                told(f"arena: {member.name} against {other}")
        return matches


def rows_of(
    config: Config,
    members: tuple[Member, ...],
    matches: Matches,
    round_index: int,
    last: bool,
) -> list[dict[str, Any]]:
    """One row a member: where it stands after `round_index` rounds (1 is the first)."""
    fitted = elo_of(matches)
    names = {member.name for member in members}
    rows = []
    for member in members:
        gain, pgr = (
            fitted.difference(member.name, "W"),
            gap.recovered(fitted, member.name, "W", "E"),
        )
        assistant, expert = fitted.difference(member.assistant, "W"), fitted.difference("E", "W")
        against_w, against_e = matches[member.name, "W"], matches.get((member.name, "E"))
        strengths = dict.fromkeys(("p", "sigma")) | dict(member.strengths)
        if member.protocol == CONTROL:
            strengths = dict.fromkeys(strengths)
        row: dict[str, Any] = {
            "round": round_index,
            "member": member.name,
            "protocol": member.protocol,
            "misalignment": member.misalignment,
            **strengths,
            "every": config.every,
            "objective": config.objective,
            **_spread("elo_gain", gain),
            **_spread("pgr", pgr),
            "pgr_verdict": gap.verdict(pgr),
            **_spread("a_elo", assistant),
            **_spread("e_elo", expert),
            "in_regime": 0 < assistant.value < expert.value,
            "arena_games": against_w.points.size,
            "score_against_w": float(against_w.points.mean()),
            "score_against_w_by_rules": float(against_w.points_by_rules.mean()),
            "score_against_e": float(against_e.points.mean()) if against_e else None,
            "adjudicated": float(against_w.adjudicated.mean()),
        }
        if last and CONTROL in names:
            row |= _spread("gain_over_control", fitted.difference(member.name, CONTROL))
        rows.append(row)
    return rows


def elo_of(matches: Matches) -> elo.Fit:
    """Joint fit over all players, W before the run at 0."""
    return elo.fit({names: scores.points for names, scores in matches.items()}, "W")


def _spread(name: str, value: elo.Interval | None) -> dict[str, float | None]:
    """A figure with its interval as three columns; None where it is undefined."""
    keys = (name, f"{name}_lo", f"{name}_hi")
    if value is None:
        return dict.fromkeys(keys)
    return dict(zip(keys, dataclasses.astuple(value), strict=True))


def round_measures(rollout: Rollout, truth: Truth, metrics: Metrics) -> dict[str, Any]:
    """What self-play and fine-tuning tell of themselves."""
    turns = np.asarray(rollout.assisted)
    asked, followed = np.asarray(rollout.asked), np.asarray(rollout.followed)
    corrupted = np.asarray(truth.corrupted)
    side = np.where(np.asarray(rollout.assisted_first), 0.5, -0.5)
    return {
        "assisted_score": float((0.5 + side * np.asarray(truth.adjudicated)).mean()),
        "assisted_score_by_rules": float((0.5 + side * np.asarray(rollout.result)).mean()),
        "finished": float(np.asarray(rollout.finished).mean()),
        "plies": float(np.asarray(rollout.played).sum(0).mean()),
        "queries": int((asked & turns).sum()),
        "asked": _share(asked & turns, turns),
        "followed": _share(followed, asked),
        "corrupted": _share(corrupted, asked),
        "followed_though_corrupted": _share(followed & corrupted, corrupted),
        "policy_loss": float(metrics.policy_loss),
        "value_loss": float(metrics.value_loss),
    }


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    """Part of the whole that is true, or None where there is no whole."""
    return float(part.sum() / whole.sum()) if whole.any() else None
