"""How fast self-play is beside the bare forward passes that it makes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sandwich_jax.games import Game
from sandwich_jax.members import Config, knobs_of, strengths_used
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.oversight import protocols as known
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, selfplay
from sandwich_jax.types import Knobs, PRNGKey, SettingError

YARDSTICK = "always_follow"
"""The protocol that others are measured beside."""
ORDINARY = "random_move"
"""The misalignment that others are measured beside."""
STRENGTH = 0.5
"""Of every misalignment."""

Call = Callable[[Array], Array]
"""`seed -> plies`: plays so many, or makes the forward passes for so many."""


class Pair(NamedTuple):
    """Who plays what."""

    name: str
    """Of the networks, as rows tell it."""
    game: Game
    expert: Model
    weak: Model


class Size(NamedTuple):
    """How much is played at once."""

    batch: int
    """Lanes; two games a lane are played, so that most lanes are busy to the end."""
    plies: int
    """Of a game at most, after its opening."""


def bench(
    pair: Pair,
    batches: tuple[int, ...] = (256, 1024),
    protocols: tuple[str, ...] = (YARDSTICK,),
    misalignment: str = ORDINARY,
    repeats: int = 5,
    plies: int = 80,
) -> Iterator[dict[str, Any]]:
    """Measures self-play of W with an assistant against W's copy.

    The peer makes the same forward passes at the same batch and nothing else: W once on every
    lane, E on the half that asks. Where always_follow is one of the protocols, the cost of each of
    the others is measured against it too. Rates are plies played, of all games, per second of
    processor time on a CPU and of wall time elsewhere; medians of `repeats` runs of all sides by
    turns. Each row has the keys what, batch, ours, peer, ratio, unit and device; a row a
    protocol gives its compile time. Another misalignment than random_move is measured beside that
    one too, as time a ply.

    Args:
        pair: game and networks.
        batches: lanes.
        protocols: their names, sizes by default.
        misalignment: spelling of what makes A out of E.
        repeats: runs of each side.
        plies: of a game at most, after its opening.

    Raises:
        SettingError: a player has no forward passes to compare with.
    """
    if any(model.net.by_moves or model.net.sees for model in (pair.expert, pair.weak)):
        raise SettingError(
            "bench selfplay compares with bare forward passes, which an engine or a search has not:"
            " choose networks."
        )
    order = sorted(protocols, key=lambda name: name != YARDSTICK)
    for batch in batches:
        size, yardstick = Size(batch, plies), None
        for protocol in order:
            ours = _selfplay(pair, size, protocol, misalignment)
            sides = {"ours": ours, "peer": _forwards(pair, size, protocol)}
            if misalignment != ORDINARY:
                sides["ordinary"] = _selfplay(pair, size, protocol, ORDINARY)
            if yardstick:
                sides["yardstick"] = yardstick
            compiled, rates = _rates(sides, repeats)
            name = f"self-play, {pair.game.name}, {pair.name}, {protocol}, {misalignment}"
            yield from _rows(name, batch, compiled, rates)
            if protocol == YARDSTICK:
                yardstick = ours


def _rates(sides: dict[str, Call], repeats: int) -> tuple[float, dict[str, float]]:
    """Seconds of our first call, and the median rate of each side."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    first = {}
    for side, call in sides.items():
        began = time.perf_counter()
        jax.block_until_ready(call(jnp.int32(0)))
        first[side] = time.perf_counter() - began
    rates = {side: [] for side in sides}
    for i in range(1, repeats + 1):
        for side, call in sides.items():
            began = clock()
            plies = int(jax.block_until_ready(call(jnp.int32(i))))
            rates[side].append(plies / (clock() - began))
    return first["ours"], {side: statistics.median(found) for side, found in rates.items()}


def _rows(
    name: str, batch: int, compiled: float, rates: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """What was found of one protocol at one batch."""
    prefix = "CPU-" if jax.default_backend() == "cpu" else ""
    per_second, per_ply = f"plies per {prefix}second", f"{prefix}microseconds a ply"
    ours, device = rates["ours"], jax.devices()[0].device_kind

    def row(
        what: str, ours: float, peer: float | None, ratio: float | None, unit: str
    ) -> dict[str, Any]:
        figures = {"ours": ours, "peer": peer, "ratio": ratio, "unit": unit}
        return {"what": what, "batch": batch, **figures, "device": device}

    yield row(name, ours, rates["peer"], ours / rates["peer"], per_second)
    if "ordinary" in rates:
        beside = f"{name} beside {ORDINARY}"
        times = 1e6 / ours, 1e6 / rates["ordinary"]
        yield row(beside, *times, times[0] / times[1], per_ply)
    yield row(f"first call, {name}", compiled, None, None, "seconds")
    if "yardstick" in rates:
        cost = f"cost of {name} relative to {YARDSTICK}"
        yield row(cost, ours, rates["yardstick"], rates["yardstick"] / ours, per_second)


def _selfplay(pair: Pair, size: Size, protocol: str, misalignment: str) -> Call:
    """Self-play."""
    game, batch = pair.game, size.batch
    config = SelfPlayConfig(games=2 * batch, lanes=batch, max_plies=size.plies)
    lines = jnp.asarray(game.openings("train"))
    starts = jax.jit(game.after)(lines[jnp.arange(batch) % len(lines)])
    made = assistant.make(game, assistant.AssistantConfig(misalignment))
    table = Table(game, made, known.make(protocol))
    strengths: Knobs = {name: jnp.float32(STRENGTH) for name in strengths_used(misalignment)}
    knobs: Knobs = knobs_of(Config(), None, STRENGTH) | strengths

    @jax.jit
    def play(seed: Array, expert: Model, weak: Model, starts: Any) -> Array:
        key, lore = jax.random.key(seed), table.protocol.lore()
        sides = Sides(weak, Models(expert, weak, expert), knobs, lore, key)
        rollout, truth = selfplay(key, table, sides, starts, jnp.arange(batch), config)
        # All of it is kept alive, as a run would need it.
        sums = [x.astype(jnp.float32).sum() for x in jax.tree.leaves((rollout, truth))]
        return rollout.played.sum() + (jnp.stack(sums).sum() * 0).astype(jnp.int32)

    return lambda seed: play(seed, pair.expert, pair.weak, starts)


def _forwards(pair: Pair, size: Size, protocol: str) -> Call:
    """The bare forward passes."""
    game, (batch, plies) = pair.game, size

    asks = known.make(protocol).asks

    def drawn(key: PRNGKey, model: Model) -> Array:
        """What it might see of half the lanes."""
        start = game.after(jnp.asarray(game.openings("train")[:1]))
        seen = jax.eval_shape(lambda: model.net.view(game, start))
        return jax.random.uniform(key, (batch // 2, *seen.shape[1:]))

    @jax.jit
    def run(seed: Array, expert: Model, weak: Model) -> Array:
        turns = (weak, weak, expert) if asks else (weak, weak)
        keys = jax.random.split(jax.random.key(seed), len(turns))
        features = tuple(drawn(key, model) for key, model in zip(keys, turns, strict=True))

        def ply(features: tuple[Array, ...], _: None) -> tuple[tuple[Array, ...], None]:
            outputs = [model.of(seen) for model, seen in zip(turns, features, strict=True)]
            # The next inputs depend on every output, so that none is left out.
            told = jnp.stack([o.logits.sum() + o.value.sum() for o in outputs]).sum()
            return tuple(seen + 1e-20 * told for seen in features), None

        features, _ = jax.lax.scan(ply, features, None, length=2 * plies)
        kept = (jnp.stack([seen.sum() for seen in features]).sum() * 0).astype(jnp.int32)
        return jnp.int32(2 * plies * batch) + kept

    return lambda seed: run(seed, pair.expert, pair.weak)
