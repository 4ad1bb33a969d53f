"""Where W', A and E stand: the matches of a run, one joint Elo fit, one row a member."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt

from sandwich_jax import arena, identity, lane_layout, nets
from sandwich_jax.games import Game
from sandwich_jax.measures import elo, gap
from sandwich_jax.members import (
    CONTROL,
    Config,
    Member,
    arena_lanes,
    assistant_of,
    knobs_of,
    program_of,
    protocol_of,
    run_key,
    strength_names,
)
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.types import Knobs, Metrics, Params, Rollout, State, Truth

Name = TypeVar("Name")
"""Of a match: any key of a dict."""

Matches = dict[tuple[str, str], arena.Scores]
"""Scores of matches by the two players' names."""


class Job(NamedTuple):
    """A match to be played: a lane of `Standings.play_matches`."""

    key: UInt[Array, "2"]
    """Data of its key: lanes hold plain numbers."""
    run: UInt[Array, "2"]
    """Data of the run's key."""
    a: tuple[Model, Knobs]
    """An assistant, if there is one in the match."""
    b: tuple[Model, Knobs]


class Booking(NamedTuple):
    """A match and the assistant that plays side `a`, which is compiled."""

    kind: assistant.AssistantConfig
    job: Job

    @property
    def program(self) -> tuple[assistant.AssistantConfig, nets.Network, nets.Network]:
        """What is compiled for it: matches of the same kind and networks are lanes of one."""
        return self.kind, self.job.a[0].net, self.job.b[0].net


Jobs = dict[tuple[str, str], Booking]
"""Matches to be played by the two players' names."""

SHARPEST = "W argmax"
"""W before training at temperature 0: what playing the best move is worth by itself."""


class Standings:
    """Plays the matches of runs; side `a` is a network behind the misalignment.

    All matches of a run share one key and start from the same openings in the same order: what
    two players have in common cancels in their difference.
    """

    def __init__(
        self,
        config: Config,
        game: Game,
        models: Models,
        starts: State,
        where: lane_layout.Layout,
    ):
        self.models, self.shared = models, lane_layout.share((models, starts), where)
        self.game, self.where = game, where
        self.settings = arena.ArenaConfig(arena_lanes(config), config.arena_max_plies)
        self.programs: dict[assistant.AssistantConfig, lane_layout.Mapped] = {}

    def _program(self, kind: assistant.AssistantConfig) -> lane_layout.Mapped:
        """Plays matches with such an assistant."""
        if kind not in self.programs:
            self.programs[kind] = self._compiled(kind)
        return self.programs[kind]

    def _compiled(self, kind: assistant.AssistantConfig) -> lane_layout.Mapped:
        game = self.game
        sides = arena.assistant_player(game, assistant.make(game, kind)), arena.network_policy(game)
        match = arena.make_match(game, *sides, self.settings)

        def one(job: Job, shared: tuple[Models, State], openings: Int[Array, ""]) -> arena.Scores:
            models, starts = shared
            expert, knobs = job.a
            a = arena.Masked(models._replace(expert=expert), knobs, job.run)
            return match(jax.random.wrap_key_data(job.key), a, job.b, starts, openings)

        return lane_layout.map_lanes(one, self.where)

    def play_matches(
        self, jobs: Mapping[Name, Booking], openings: int, told: Callable[[Name], None]
    ) -> dict[Name, arena.Scores]:
        """All matches from the first `openings` openings; `told` of every one."""
        alike: dict[Any, list[Name]] = {}
        for name, booking in jobs.items():
            alike.setdefault(booking.program, []).append(name)
        names = list(alike.values())
        shared = (self.shared, jnp.int32(openings))
        parts = [
            self._program(kind).parts([jobs[name].job for name in own], *shared)
            for (kind, *_), own in alike.items()
        ]
        scores = {}
        for call in lane_layout.at_once(parts, self.where):
            for place, one in zip(call.places, call.results, strict=True):
                whole = jax.tree.map(np.asarray, one)
                name = names[call.program][place]
                scores[name] = arena.first_openings(whole, openings)
                told(name)
        return {name: scores[name] for name in jobs}

    def baseline(self, config: Config, members: tuple[Member, ...]) -> Jobs:
        """W, E and every corrupt A against one another."""
        honest = self._honest
        expert, weak = honest(config, self.models.expert), honest(config, self.models.weak)
        sides = {"E": (config, expert), "W": (config, weak)}
        sides[SHARPEST] = config, (self.models.weak, knobs_of(config, None, 0.0))
        for member in members:
            if member.assistant != "E":
                own = program_of(config, member)
                sides[member.assistant] = own, self._assistant(config, member)
        names = baseline_names(config, members)
        return {(a, b): _job(*sides[a], sides[b][1]) for a, b in names}

    def student(self, config: Config, member: Member, params: Params) -> Jobs:
        """W' against W: where it stands after a round."""
        student = self._honest(config, self.models.weak.with_params(params))
        weak = self._honest(config, self.models.weak)
        return {(member.name, "W"): _job(config, student, weak)}

    def final(self, config: Config, member: Member, params: Params) -> Jobs:
        """W' against W, E and its own A."""
        student = self._honest(config, self.models.weak.with_params(params))
        opponents = {"W": self.models.weak, "E": self.models.expert}
        jobs = {
            (member.name, name): _job(config, student, self._honest(config, other))
            for name, other in opponents.items()
        }
        if member.assistant != "E":
            own, assistant = program_of(config, member), self._assistant(config, member)
            jobs[member.assistant, member.name] = _job(own, assistant, student)
        return jobs

    def _honest(self, config: Config, model: Model) -> tuple[Model, Knobs]:
        return model, knobs_of(config, None, config.arena_temperature)

    def _assistant(self, config: Config, member: Member) -> tuple[Model, Knobs]:
        return self.models.expert, knobs_of(config, member, config.arena_temperature)


def _job(config: Config, a: tuple[Model, Knobs], b: tuple[Model, Knobs]) -> Booking:
    key = jax.random.fold_in(jax.random.key(config.seed), 2**31 - 1)
    job = Job(jax.random.key_data(key), jax.random.key_data(run_key(config)), a, b)
    return Booking(assistant_of(config), job)


def baseline_names(config: Config, members: tuple[Member, ...]) -> list[tuple[str, str]]:
    """The matches before the first round: W, E and every corrupt A against one another."""
    corrupt = dict.fromkeys(m.assistant for m in members if m.assistant != "E")
    sharp = [(SHARPEST, "W")] if "argmax" in config.controls else []
    return [("E", "W"), *sharp, *((name, other) for name in corrupt for other in ("W", "E"))]


def rows_of(
    config: Config,
    members: tuple[Member, ...],
    matches: Matches,
    fitted: elo.Fit,
    round_index: int,
    last: bool,
) -> list[dict[str, Any]]:
    """One row a member: where it stands after `round_index` rounds (1 is the first).

    Args:
        config: of all of them.
        members: those that the configuration spans.
        matches: all of theirs.
        fitted: from `elo_of` these.
        round_index: rounds played.
        last: no round is left.
    """
    names = {member.name for member in members}
    rows = []
    for member in members:
        own = program_of(config, member)
        asks = protocol_of(own).asks
        gain, pgr = (
            fitted.difference(member.name, "W"),
            gap.recovered(fitted, member.name, "W", "E"),
        )
        assistant, expert = fitted.difference(member.assistant, "W"), fitted.difference("E", "W")
        against_w, against_e = matches[member.name, "W"], matches.get((member.name, "E"))
        own_strengths = dict(member.strengths) if asks else {}
        strengths = dict.fromkeys((*strength_names(), *own_strengths)) | own_strengths
        told = identity.columns(own)
        row: dict[str, Any] = {
            "round": round_index,
            "member": member.name,
            "role": member.role,
            "protocol": member.protocol,
            "misalignment": told["misalignment"],
            "schedule": told["schedule"],
            "lasts": told["lasts"],
            **strengths,
            **{name: told[name] for name in ("every", "objective", "results", "noise_loss")},
            **_spread("elo_gain", gain),
            **_spread("pgr", pgr),
            "pgr_verdict": gap.verdict(pgr),
            **_spread("a_elo", assistant if asks else None),
            **_spread("e_elo", expert),
            "in_regime": 0 < assistant.value < expert.value if asks else None,
            "arena_games": against_w.points.size,
            "score_against_w": float(against_w.points.mean()),
            "score_against_w_by_rules": float(against_w.points_by_rules.mean()),
            "score_against_e": float(against_e.points.mean()) if against_e else None,
            "adjudicated": float(against_w.adjudicated.mean()),
        }
        if (SHARPEST, "W") in matches:
            row |= _spread("w_argmax_elo", fitted.difference(SHARPEST, "W"))
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


def round_measures(
    rollout: Rollout, truth: Truth, metrics: Metrics, answers: int = 1
) -> dict[str, Any]:
    """What self-play and fine-tuning tell of themselves.

    Shares of advice are None where there is none of that kind. `answers` is how many answers of A
    the protocol uses up on a turn on which it asks.
    """
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
        "answers": answers * int((asked & turns).sum()),
        "asked": _share(asked & turns, turns),
        "followed": _share(followed, asked),
        "corrupted": _share(corrupted, asked),
        "followed_though_corrupted": _share(followed & corrupted, corrupted),
        "refused_though_good": _share(asked & ~followed & ~corrupted, asked & ~corrupted),
        "policy_loss": float(metrics.policy_loss),
        "value_loss": float(metrics.value_loss),
    }


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    """Part of the whole that is true, or None where there is no whole."""
    return float(part.sum() / whole.sum()) if whole.any() else None
