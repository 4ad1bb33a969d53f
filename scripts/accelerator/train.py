"""`on_accelerator.py train`: E and W from a corpus, then a sandwich sweep, within one budget."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from sandwich_jax import driver, games, grid, lane_layout, nets, sandwich
from sandwich_jax.folders import store
from sandwich_jax.models import Model, Models
from sandwich_jax.training import pretrain
from sandwich_jax.types import Params
from scripts.accelerator import compact, parity
from scripts.accelerator.kept import Kept, Nothing, Shared
from scripts.accelerator.stages import Row, Stages, say
from scripts.gpu_check import figures

FILE = 15 * 2**20
"""Bytes of a stored file at most."""
COMPILED = 0.25
"""Of the time of a first round, what the next one takes: a guess."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained, and with how much of the time."""

    network: str = "base"
    batch: int = 1024
    weak_games: int = 2000
    weak_steps: int = 300
    expert_share: float = 0.4
    """Of the time that is left when W is trained."""
    most_steps: int = 100_000
    strengths: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    most_members: int = 64
    lanes: int = 256
    games: int = 1024
    updates: int = 240
    learn_batch: int = 256
    rounds: int = 6
    openings: int = 128
    """Of the large matches."""
    max_plies: int = 40
    arena_max_plies: int = 200
    positions: int = 20_000
    """Held out, for move match."""


TOY = Plan(
    network="tiny", batch=16, weak_games=4, weak_steps=4, most_steps=8, strengths=(0.0, 0.5),
    most_members=4, lanes=4, games=8, updates=2, learn_batch=8, rounds=2, openings=4, max_plies=4,
    arena_max_plies=6, positions=64,
)  # fmt: skip


class TimeUp(Exception):
    """Another round would not fit into the budget."""


@dataclasses.dataclass
class Training:
    """What one stage leaves to the next."""

    plan: Plan
    corpus: pathlib.Path
    out: pathlib.Path
    stages: Stages
    networks: dict[str, Params] = dataclasses.field(default_factory=dict)
    rate: float = 0.0
    """Updates a second of pretraining."""
    overhead: float = 0.0
    """Seconds of a pretraining beside its updates."""


def run(stages: Stages, corpus: pathlib.Path, out: pathlib.Path, plan: Plan) -> None:
    """W, E and the sweep. W comes first: it tells how fast updates are, so that E can be cut to
    the time."""
    training = Training(plan, corpus, out, stages)
    stages.run("weak", functools.partial(weak, training))
    stages.run("expert", functools.partial(expert, training))
    stages.run("sweep", functools.partial(sandwiches, training))


def weak(training: Training) -> Iterator[Row]:
    """W: few games, few updates."""
    plan, corpus = training.plan, compact.load(training.corpus)
    playable = int((~corpus.test).sum())
    games_used = min(plan.weak_games, playable)
    yield from _pretrained(training, corpus, "weak", games_used, plan.weak_steps)


def expert(training: Training) -> Iterator[Row]:
    """E: all games, as many updates as fit into its share of the time."""
    plan, corpus = training.plan, compact.load(training.corpus)
    share = training.stages.left * plan.expert_share - training.overhead
    steps = int(np.clip(share * training.rate, plan.weak_steps, plan.most_steps))
    yield from _pretrained(training, corpus, "expert", int((~corpus.test).sum()), steps)


def _pretrained(
    training: Training, corpus: compact.Corpus, role: str, count: int, steps: int
) -> Iterator[Row]:
    plan, began = training.plan, time.monotonic()
    config = pretrain.PretrainConfig(
        role, count, steps, plan.network, batch=plan.batch, eval_every=steps,
        eval_positions=plan.positions,
    )  # fmt: skip
    rates: list[float] = []

    def report(state: pretrain.Report) -> None:
        rates.append(state.samples_per_second / plan.batch)
        if state.step % (10 * pretrain.CHUNK) == 0:
            say(f"{role}: update {state.step} of {steps}, {rates[-1]:,.0f} a second")

    trained = pretrain.pretrain(config, corpus, Nothing(), report, devices=1)
    training.networks[role] = trained.params
    # The first call compiled, and the last one looked at what was held out.
    training.rate = float(np.median(rates[1:-1] or rates))
    training.overhead = time.monotonic() - began - steps / training.rate
    about = dataclasses.asdict(config) | {"move_match": trained.match._asdict()}
    card = store.NetworkCard("chess", trained.net.config, about)
    store.save_network(training.out / role, card, trained.params)
    yield {
        "what": role, "network": plan.network, "games": count, "updates": steps,
        "batch": plan.batch, "updates per second": training.rate,
        "seconds": time.monotonic() - began, "seconds beside updates": training.overhead,
        "move match": trained.match.share, "low": trained.match.low, "high": trained.match.high,
    }  # fmt: skip


def sandwiches(training: Training) -> Iterator[Row]:
    """Rounds of all members until the time is up: p against PGR, with controls that never ask."""
    plan = training.plan
    models = _models(training)
    count, why = _members(plan)
    seeds = max(1, count // (len(plan.strengths) + 1))
    parts = grid.parse(settings_of(plan, seeds))
    yield {"what": "members", "members": len(parts), "at once": count, "why": why}
    kept = [Kept(part, training.stages) for part in parts]
    try:
        _play(training, models, kept, count)
    except TimeUp as up:
        yield {"what": "stopped", "why": str(up)}
    finally:
        students = {k.part.id: k.params for k in kept if k.params is not None}
        _store(training.out, students)
    yield from _summary(kept)


def settings_of(plan: Plan, seeds: int) -> dict[str, Any]:
    """The sweep, as its file would say it; networks are given by hand."""
    return {
        "misalignment": "random_move", "p": list(plan.strengths),
        "seeds": seeds, "lanes": plan.lanes, "games": plan.games, "updates": plan.updates,
        "batch": plan.learn_batch, "rounds": plan.rounds, "max_plies": plan.max_plies,
        "arena_max_plies": plan.arena_max_plies, "window": 2,
        "round_openings": plan.lanes // 2, "final_openings": plan.openings,
    }  # fmt: skip


def _models(training: Training) -> Models:
    """E and W as they were trained, or those that the project ships."""
    game, own = games.make("chess"), training.networks
    if {"weak", "expert"} <= set(own):
        net = nets.make(training.plan.network, game.heads)
        return Models(Model(net, own["expert"]), Model(net, own["weak"]))
    return Models(parity.zoo("expert", game), parity.zoo("weak", game))


def _members(plan: Plan) -> tuple[int, str]:
    """How many members fit, by the memory of those that were compiled for an H100."""
    memory = lane_layout.free_memory(jax.local_devices()[0])
    programs = figures.read(figures.CEILINGS)["programs"]
    known = programs.get("sweep/base/1024/members, update")
    if memory is None or known is None:
        return plan.most_members, "memory unknown"
    # That program is of 16 members, with four times the lanes and the batch of this plan.
    each = known["temp_mib"] * 2**20 / 16 * max(plan.lanes / 1024, plan.learn_batch / 1024)
    return int(np.clip(memory // each, 1, plan.most_members)), f"{each / 2**30:.2f} GiB each"


def expected(ends: list[float]) -> float:
    """Seconds of the next round, by when rounds ended, the first number being when they began.

    The first round compiles, and plays the matches of all assistants.
    """
    last = ends[-1] - ends[-2]
    return last if len(ends) > 2 else COMPILED * last


def _play(training: Training, models: Models, kept: list[Kept], count: int) -> None:
    """`driver.drive` of one program after another, until the time is up."""
    ends = [time.monotonic()]

    def pause() -> None:
        ends.append(time.monotonic())
        left, next_round = training.stages.left, expected(ends)
        if left < next_round:
            raise TimeUp(f"{left:.0f} s are left, a round takes about {next_round:.0f} s")

    world = driver.World(Shared(), lambda amount, text: say(text), lambda amount: None, pause)
    by_part = {k.part: k for k in kept}
    # Those that ask come first: without controls a sweep still says something.
    ordered = sorted(
        grid.programs(list(by_part)).items(), key=lambda item: item[0].protocol == "never_ask"
    )
    for program, own in ordered:
        group = min(count, len(own)) if lane_layout.default_mode() == "vmap" else None
        where = lane_layout.layout(group=group)
        setup = sandwich.prepare(program, models)
        standings = sandwich.standings_of(setup, where)
        runs = [(part.config, by_part[part]) for part in own]
        driver.drive(setup, standings, runs, where, world)


def _summary(kept: list[Kept]) -> Iterator[Row]:
    """Means over seeds of the newest rows, by protocol and strength."""
    groups: dict[tuple, list[Row]] = {}
    for one in kept:
        if one.row:
            groups.setdefault((one.row["protocol"], one.row["p"]), []).append(one.row)
    for (protocol, p), rows in groups.items():
        means = {
            name: float(np.mean(values))
            for name in ("elo_gain", "pgr", "e_elo")
            if (values := [row[name] for row in rows if row[name] is not None])
        }
        yield {"what": "cell", "protocol": protocol, "p": p, "seeds": len(rows),
               "rounds": min(row["round"] for row in rows), **means}  # fmt: skip


def _store(out: pathlib.Path, students: dict[str, Params]) -> None:
    """W' by member, in 16 bits, in at most two files."""
    files: list[dict[str, Any]] = [{}, {}]
    room = [FILE, FILE]
    for name, params in students.items():
        small = jax.tree.map(lambda x: np.asarray(x, np.float16), params)
        size = sum(x.nbytes for x in jax.tree.leaves(small)) + 200 * len(jax.tree.leaves(small))
        place = next((i for i in (0, 1) if room[i] >= size), None)
        if place is None:
            say(f"{name}: not stored, the files are full")
            continue
        files[place][name] = small
        room[place] -= size
    for i, tree in enumerate(files):
        if tree:
            store.save_arrays(out / f"students-{i}.npz", tree)
