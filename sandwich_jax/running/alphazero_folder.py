"""AlphaZero training in a folder of its own, resumable; snapshots on the way."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable

import jax

from sandwich_jax import games, nets, outputs
from sandwich_jax.folders import checkpoints, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.models import Model
from sandwich_jax.players import spelled
from sandwich_jax.running.claims import claim
from sandwich_jax.training import alphazero
from sandwich_jax.training.alphazero import Report
from sandwich_jax.training.settings import AlphaZeroConfig
from sandwich_jax.types import Params, SettingError

Told = Callable[[float, float, str], None]


def train_in(
    out: pathlib.Path, config: AlphaZeroConfig, told: Told = lambda done, total, text: None
) -> None:
    """Trains a network in `out`, or goes on with what an earlier call left there.

    Args:
        out: gets the network at the end; `snapshots/NUMBER`, networks too, and `checkpoints/` on
            the way.
        config: static settings.
        told: iterations done, iterations in all, and how it goes.

    Raises:
        SettingError: another configuration or another process in `out`, a network to start
            from that cannot be trained, or a loss that was not finite.
    """
    outputs.check_folder(out)
    game, start = games.make(config.game), begin_with(config)
    with alone(out):
        claim(out / "alphazero.json", dataclasses.asdict(config), "an AlphaZero training")
        last = time.monotonic()

        def report(found: Report) -> None:
            nonlocal last
            now = time.monotonic()
            rate, last = config.lanes * config.plies / (now - last), now
            text = f"policy loss {found.policy_loss:.3f}, value loss {found.value_loss:.3f}"
            text += f", games of {found.length:.0f} plies, {rate:,.0f} plies/s"
            told(found.iteration, config.iterations, text)

        def keep(folder: pathlib.Path, iteration: int, seconds: float, params: Params) -> None:
            about = dataclasses.asdict(config) | {
                "role": "alphazero",
                "parameters": start.net.num_params,
                "iteration": iteration,
                "plies": iteration * config.lanes * config.plies,
                "seconds": round(seconds, 1),
            }
            about |= store.made()
            card = store.NetworkCard(config.game, start.net.config, about)
            store.save_network(folder, card, params)

        def snapshot(iteration: int, seconds: float, params: Params) -> None:
            keep(out / "snapshots" / f"{iteration:06d}", iteration, seconds, params)

        saver = checkpoints.Checkpoints(out / "checkpoints")
        trained = alphazero.train(game, start, config, saver, report, snapshot)
        keep(out, config.iterations, trained.seconds, trained.params)


def begin_with(config: AlphaZeroConfig) -> Model:
    """The network to begin with.

    Raises:
        SettingError: it cannot be loaded or trained.
    """
    if config.start:
        model = spelled.load_network(config.start, config.game, config.network)
        if not model.net.learns or model.net.looks_back:
            raise SettingError(f"start is {config.start}: choose a network that can be trained.")
        return model
    net = nets.make(config.network, games.make(config.game).heads)
    return Model(net, net.init(jax.random.key(config.seed)))
