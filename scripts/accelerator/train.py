"""`on_accelerator.py train`: E and W from a corpus, then a sandwich sweep, within one budget."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from sandwich_jax import driver, games, grid, lane_layout, nets, sandwich
from sandwich_jax.folders import store
from sandwich_jax.measures.standing import Standings, elo_of, rows_of
from sandwich_jax.members import Config
from sandwich_jax.models import Model, Models
from sandwich_jax.training import pretrain
from sandwich_jax.types import Params, SettingError
from scripts.accelerator import compact, parity
from scripts.accelerator.kept import Kept, Nothing, Shared
from scripts.accelerator.stages import Row, Stages, say
from scripts.gpu_check import figures

FILE = 15 * 2**20
"""Bytes of a stored file at most."""
FINALS = 20.0
"""Seconds kept for the last matches."""
COMPILED = 0.25
"""Of the time of a first round, what the next one takes: a guess."""


SWEEP: dict[str, Any] = {
    "misalignment": "random_move", "p": [0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "seeds": 3,
    "protocol": "only_listen", "listens": 5, "pool": "medoid", "objective": "distil_policy",
    "control": False, "lanes": 512, "games": 4096, "max_plies": 80, "updates": 3000,
    "batch": 256, "window": 3, "rounds": 9, "round_openings": 512, "final_openings": 512,
}  # fmt: skip
"""Where A is a random mover, p = 1, W can learn nothing: that is the control."""


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
    sweep: Mapping[str, Any] = dataclasses.field(default_factory=lambda: SWEEP)
    """As its file would say it; its networks are those trained here, or those shipped."""
    most_members: int = 64
    positions: int = 20_000
    """Held out, for move match."""


TOY = Plan(
    network="tiny", batch=16, weak_games=4, weak_steps=4, most_steps=8, most_members=4,
    positions=64,
    sweep=SWEEP | {
        "p": [0.0, 0.5], "seeds": 1, "lanes": 4, "games": 8, "updates": 2, "batch": 8, "rounds": 2,
        "max_plies": 4, "arena_max_plies": 6, "round_openings": 4, "final_openings": 4,
    },
)  # fmt: skip


def plan_of(sweep: pathlib.Path | None, toy: bool) -> Plan:
    """What is trained, with the sweep of a file if there is one.

    Raises:
        SettingError: the file cannot be read as a sweep.
    """
    plan = TOY if toy else Plan()
    if sweep is not None:
        plan = dataclasses.replace(plan, sweep=_read(sweep))
    grid.parse(plan.sweep)  # a mistake should be told at once
    return plan


def _read(path: pathlib.Path) -> dict[str, Any]:
    # Not with `sweep_toml`, which reads compressed files: a bare machine lacks what that takes.
    try:
        return tomllib.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path} is not TOML ({error}).") from error


class TimeUp(Exception):
    """Another round would not fit into the budget."""


@dataclasses.dataclass
class Training:
    """What one stage leaves to the next."""

    plan: Plan
    out: pathlib.Path
    stages: Stages
    networks: dict[str, Params] = dataclasses.field(default_factory=dict)
    evaluation: pretrain.Samples | None = None
    """Held-out positions that no training game has."""
    replay: float = 0.0
    """Seconds to replay all training games."""
    rate: float = 0.0
    """Updates a second of pretraining."""
    overhead: float = 0.0
    """Seconds of a pretraining beside its updates."""


def run(stages: Stages, corpus: compact.Corpus | None, out: pathlib.Path, plan: Plan) -> None:
    """W, E and the sweep. W comes first: it tells how fast updates are, so that E can be cut to
    the time. Without a corpus, E and W are those that the project ships."""
    training = Training(plan, out, stages)
    if corpus is not None:
        for name, stage in (("positions", positions), ("weak", weak), ("expert", expert)):
            stages.run(name, functools.partial(stage, training, corpus))
    stages.run("sweep", functools.partial(sandwiches, training))


def positions(training: Training, corpus: compact.Corpus) -> Iterator[Row]:
    """What both are measured on."""
    began, games_of = time.monotonic(), np.flatnonzero(~corpus.test)
    training.evaluation = pretrain.held_out(corpus, games_of, training.plan.positions)
    training.replay = time.monotonic() - began
    yield {"what": "held-out positions", "positions": len(training.evaluation.moves),
           "games replayed": len(games_of), "seconds": training.replay}  # fmt: skip


def weak(training: Training, corpus: compact.Corpus) -> Iterator[Row]:
    """W: few games, few updates."""
    plan = training.plan
    games_used = min(plan.weak_games, int((~corpus.test).sum()))
    yield from _pretrained(training, corpus, "weak", games_used, plan.weak_steps)


def expert(training: Training, corpus: compact.Corpus) -> Iterator[Row]:
    """E: all games, as many updates as fit into its share of the time."""
    plan, rows = training.plan, np.flatnonzero(~corpus.test)
    samples = int((corpus.starts[rows + 1] - corpus.starts[rows]).sum())
    seconds = training.stages.left * plan.expert_share - training.overhead
    fitting = steps_within(seconds, training.rate, training.replay, samples / plan.batch)
    steps = int(np.clip(fitting, plan.weak_steps, plan.most_steps))
    yield from _pretrained(training, corpus, "expert", len(rows), steps)


def steps_within(seconds: float, rate: float, replay: float, steps_a_pass: float) -> float:
    """Updates for which the time suffices, where every pass over the games replays them first.

    Args:
        seconds: for all of it.
        rate: updates a second.
        replay: seconds to replay all games.
        steps_a_pass: updates that see every position once.
    """
    a_pass = replay + steps_a_pass / rate
    whole = max(seconds, 0.0) // a_pass
    rest = max(seconds - whole * a_pass - replay, 0.0)
    return whole * steps_a_pass + rest * rate


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

    trained = pretrain.pretrain(
        config, corpus, Nothing(), report, devices=1, evaluation=training.evaluation
    )
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
    """Rounds of all members until the time is up."""
    plan = training.plan
    models = _models(training)
    parts = grid.parse(plan.sweep)
    count, why = _members(plan, parts[0].config)
    yield {"what": "members", "members": len(parts), "at once": count, "why": why}
    kept = [Kept(part, training.stages) for part in parts]
    groups = grid.programs([one.part for one in kept])
    halls = [_hall(program, models, own, kept, count) for program, own in groups.items()]
    # Those that ask come first: without controls a sweep still says something.
    halls.sort(key=lambda hall: hall.setup.config.protocol == "never_ask")
    try:
        _play(training, halls)
    except TimeUp as up:
        yield {"what": "stopped", "why": str(up)}
        for hall in halls:
            _finals(hall)
    finally:
        students = {k.part.id: k.params for k in kept if k.params is not None}
        _store(training.out, students)
    yield from _summary(kept)


def _models(training: Training) -> Models:
    """E and W as they were trained, or those that the project ships."""
    game, own = games.make("chess"), training.networks
    if {"weak", "expert"} <= set(own):
        net = nets.make(training.plan.network, game.heads)
        return Models(Model(net, own["expert"]), Model(net, own["weak"]))
    return Models(parity.zoo("expert", game), parity.zoo("weak", game))


def _members(plan: Plan, config: Config) -> tuple[int, str]:
    """How many members fit, by the memory of those that were compiled for an H100."""
    memory = lane_layout.free_memory(jax.local_devices()[0])
    programs = figures.read(figures.CEILINGS)["programs"]
    known = programs.get("sweep/base/1024/members, update")
    if memory is None or known is None:
        return plan.most_members, "memory unknown"
    # That program is of 16 members, on 1,024 lanes each, with updates of 1,024.
    each = known["temp_mib"] * 2**20 / 16 * max(config.lanes, config.batch) / 1024
    return int(np.clip(memory // each, 1, plan.most_members)), f"{each / 2**30:.2f} GiB each"


def expected(ends: list[float]) -> float:
    """Seconds of the next round, by when rounds ended, the first number being when they began.

    The first round compiles, and plays the matches of all assistants.
    """
    last = ends[-1] - ends[-2]
    return last if len(ends) > 2 else COMPILED * last


class Hall(NamedTuple):
    """Members that are compiled alike, and what plays them."""

    setup: sandwich.Setup
    standings: Standings
    where: lane_layout.Layout
    kept: list[Kept]


def _hall(
    program: Config, models: Models, own: list[grid.Part], kept: list[Kept], count: int
) -> Hall:
    group = min(count, len(own)) if lane_layout.default_mode() == "vmap" else None
    where = lane_layout.layout(group=group)
    setup = sandwich.prepare(program, models)
    by_part = {one.part: one for one in kept}
    return Hall(setup, sandwich.standings_of(setup, where), where, [by_part[p] for p in own])


def _play(training: Training, halls: list[Hall]) -> None:
    """`driver.drive` of one program after another, until the time is up."""
    ends = [time.monotonic()]

    def pause() -> None:
        ends.append(time.monotonic())
        left, next_round = training.stages.left - FINALS, expected(ends)
        if left < next_round:
            raise TimeUp(f"{left:.0f} s are left, a round takes about {next_round:.0f} s")

    world = driver.World(Shared(), lambda amount, text: say(text), lambda amount: None, pause)
    for hall in halls:
        runs = [(one.part.config, one) for one in hall.kept]
        driver.drive(hall.setup, hall.standings, runs, hall.where, world)


def _finals(hall: Hall) -> None:
    """The large matches of members that were stopped before their last round.

    Where W' beats W nearly always, only a match against E tells how strong it is.
    """
    early = [one for one in hall.kept if one.row and one.row["round"] < one.part.config.rounds]
    jobs = {
        (one.part.id, *names): job
        for one in early
        if one.params is not None
        for names, job in hall.standings.final(one.part.config, one.part.member, one.params).items()
    }
    openings = hall.setup.config.final_openings
    played = hall.standings.play_matches(jobs, openings, lambda key: say(f"final: {key[1:]}"))
    for one in early:
        own = {(a, b): scores for (name, a, b), scores in played.items() if name == one.part.id}
        matches = one.baseline | own
        config, members = one.part.config, (one.part.member,)
        one.rows(rows_of(config, members, matches, elo_of(matches), one.row["round"], True))


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


def student(path: pathlib.Path, name: str, like: Params) -> Params | None:
    """W' of a member out of a stored file, in `like`'s types; None if it is not there."""
    with np.load(path) as stored:
        paths, tree = jax.tree_util.tree_flatten_with_path({name: like})
        keys = [jax.tree_util.keystr(where) for where, _ in paths]
        if not set(keys) <= set(stored.files):
            return None
        leaves = [stored[k].astype(x.dtype) for k, (_, x) in zip(keys, paths, strict=True)]
    return jax.tree.unflatten(tree, leaves)[name]
