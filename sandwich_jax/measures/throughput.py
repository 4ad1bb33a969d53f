"""How fast self-play is beside the bare forward passes that it makes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sandwich_jax import games, nets
from sandwich_jax.members import Config, knobs_of, strengths_used
from sandwich_jax.misalign import assistant
from sandwich_jax.misalign.assistant import Models
from sandwich_jax.oversight import protocols as known
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, selfplay
from sandwich_jax.types import Knobs, Params

PLIES = 80
ORDINARY = "random_move"
"""The misalignment that others are measured beside."""


def bench(
    batches: tuple[int, ...] = (256, 1024),
    network: str = "tiny",
    protocols: tuple[str, ...] = ("always_follow",),
    misalignment: str = "random_move",
    game_name: str = "chess",
    repeats: int = 5,
    plies: int = PLIES,
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
        batches: lanes; two games a lane are played, so that most lanes are busy to the end.
        network: a size of `nets.SIZES`, untrained.
        protocols: their names, sizes by default.
        misalignment: spelling of what makes A out of E, at a strength of 0.5.
        game_name: chess, or pgx:chess.
        repeats: runs of each side.
        plies: of a game at most, after its opening.
    """
    game = games.make(game_name)
    net = nets.make(network, game.heads)
    expert, weak = (net.init(jax.random.key(seed)) for seed in (1, 2))
    on_cpu = jax.default_backend() == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    unit = "plies per CPU-second" if on_cpu else "plies per second"
    unit_of_time = "CPU-microseconds a ply" if on_cpu else "microseconds a ply"
    for batch in batches:
        usual = None
        for protocol in sorted(protocols, key=lambda name: name != "always_follow"):
            ours = _selfplay(game, net, expert, weak, protocol, misalignment, batch, plies)
            sides = {
                "ours": ours,
                "peer": _forwards(game, net, expert, weak, protocol, batch, plies),
            }
            if misalignment != ORDINARY:
                about = (expert, weak, protocol, ORDINARY, batch, plies)
                sides["ordinary"] = _selfplay(game, net, *about)
            if usual:
                sides["usual"] = usual
            began = time.perf_counter()
            jax.block_until_ready(ours(jnp.int32(0)))
            compiled = time.perf_counter() - began
            for side in list(sides)[1:]:
                jax.block_until_ready(sides[side](jnp.int32(0)))
            rates = {side: [] for side in sides}
            for i in range(1, repeats + 1):
                for side, call in sides.items():
                    began = clock()
                    played = int(jax.block_until_ready(call(jnp.int32(i))))
                    rates[side].append(played / (clock() - began))
            medians = {side: statistics.median(found) for side, found in rates.items()}
            mine, bare = medians["ours"], medians["peer"]
            common = {"batch": batch, "device": jax.devices()[0].device_kind}
            name = f"self-play, {game_name}, {network}, {protocol}, {misalignment}"
            yield _row(name, mine, bare, mine / bare, unit, common)
            if "ordinary" in medians:
                rate = medians["ordinary"]
                times = (1e6 / mine, 1e6 / rate, rate / mine)
                yield _row(f"{name} beside {ORDINARY}", *times, unit_of_time, common)
            yield _row(f"first call, {name}", compiled, None, None, "seconds", common)
            if usual:
                rate = medians["usual"]
                cost = f"cost of {name} relative to always_follow"
                yield _row(cost, mine, rate, rate / mine, unit, common)
            elif protocol == "always_follow":
                usual = ours


def _row(
    what: str, ours: float, peer: float | None, ratio: float | None, unit: str, common: dict
) -> dict[str, Any]:
    figures = {"ours": ours, "peer": peer, "ratio": ratio, "unit": unit}
    return {"what": what, "batch": common["batch"], **figures, "device": common["device"]}


def _selfplay(
    game: games.Game,
    net: nets.Network,
    expert: Params,
    weak: Params,
    protocol: str,
    misalignment: str,
    batch: int,
    plies: int,
) -> Callable[[Array], Array]:
    """`seed -> plies played`."""
    config = SelfPlayConfig(games=2 * batch, lanes=batch, max_plies=plies)
    lines = jnp.asarray(game.openings("train"))
    starts = jax.jit(game.after)(lines[jnp.arange(batch) % len(lines)])
    made = assistant.make(game, net, assistant.AssistantConfig(misalignment))
    table = Table(game, net, made, known.make(protocol))
    strengths: Knobs = {name: jnp.float32(0.5) for name in strengths_used(misalignment)}
    knobs: Knobs = knobs_of(Config(), None, 0.5) | strengths

    @jax.jit
    def play(seed: Array, expert: Params, weak: Params, starts: Any) -> Array:
        key, lore = jax.random.key(seed), table.protocol.lore()
        sides = Sides(weak, Models(expert, weak, expert), knobs, lore, key)
        rollout, truth = selfplay(key, table, sides, starts, jnp.arange(batch), config)
        # All of it is kept alive, as a run would need it.
        sums = [x.astype(jnp.float32).sum() for x in jax.tree.leaves((rollout, truth))]
        return rollout.played.sum() + (jnp.stack(sums).sum() * 0).astype(jnp.int32)

    return lambda seed: play(seed, expert, weak, starts)


def _forwards(
    game: games.Game,
    net: nets.Network,
    expert: Params,
    weak: Params,
    protocol: str,
    batch: int,
    plies: int,
) -> Callable[[Array], Array]:
    """`seed -> plies that so many forward passes are for`."""

    @jax.jit
    def run(seed: Array, expert: Params, weak: Params) -> Array:
        shape = (batch // 2, *game.feature_shape)
        features = jax.random.uniform(jax.random.key(seed), shape)

        def ply(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            front, back = carry
            outputs = [net.apply(weak, back), net.apply(weak, front)]
            outputs += [net.apply(expert, front)] if known.make(protocol).asks else []
            # The next inputs depend on every output, so that none is left out.
            told = jnp.stack([o.logits.sum() + o.value.sum() for o in outputs]).sum()
            return (back + 1e-20 * told, front + 1e-20 * told), None

        (front, back), _ = jax.lax.scan(ply, (features, features + 0.1), None, length=2 * plies)
        kept = ((front + back).sum() * 0).astype(jnp.int32)
        return jnp.int32(2 * plies * batch) + kept

    return lambda seed: run(seed, expert, weak)
