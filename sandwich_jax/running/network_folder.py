"""Pretraining in a folder of its own."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable

import jax

from sandwich_jax import outputs
from sandwich_jax.folders import checkpoints, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.machine import cluster
from sandwich_jax.players import spelled
from sandwich_jax.running.claims import claim
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training.pretrain import MoveMatch, PretrainConfig, Report, pretrain


def pretrain_in(
    out: pathlib.Path,
    config: PretrainConfig,
    corpus: pathlib.Path,
    progress: Callable[[float, float, str], None] = lambda done, total, text: None,
    devices: int | None = None,
) -> MoveMatch:
    """Trains a network in `out`, or goes on with what an earlier call left there.

    Args:
        out: gets `network.json` and `params/` at the end, `checkpoints/` on the way.
        config: static settings.
        corpus: a corpus file.
        progress: told updates done, updates in all, and how it goes.
        devices: how many share every batch; all if None.

    Raises:
        SettingError: another configuration or another process in `out`, an unusable corpus, or
            as `pretrain`.
    """
    if jax.process_index() == 0:
        outputs.check_folder(out)
    data = corpora.load(corpus)
    with alone(out, jax.process_index() == 0):
        if jax.process_index() == 0:
            claim(out / "pretrain.json", dataclasses.asdict(config), "a pretraining")
        cluster.barrier("claimed")
        cluster.check_shared(out / "pretrain.json")
        shown = ""

        def report(state: Report) -> None:
            nonlocal shown
            if state.match:
                shown = f", move match {state.match.share:.1%}"
            loss, rate = float(state.metrics.policy_loss), state.samples_per_second
            text = f"loss {loss:.3f}{shown}, {rate:,.0f} positions/s"
            progress(state.step, config.steps, text)

        start = spelled.load_network(config.start).params if config.start else None
        saver = checkpoints.Checkpoints(out / "checkpoints")
        together = functools.partial(cluster.barrier, "updates")
        trained = pretrain(config, data, saver, report, start, devices, together)
        about = dataclasses.asdict(config) | {
            "parameters": trained.net.num_params,
            "seconds": round(trained.seconds, 1),
            "samples": config.steps * config.batch,
            "move_match": trained.match._asdict(),
            "corpus": data.stats,
        }
        about |= store.made()
        card = store.NetworkCard("chess", trained.net.config, about)
        if jax.process_index() == 0:
            with outputs.keeping(trained.match, out):
                store.save_network(out, card, trained.params)
        cluster.barrier("stored")
    return trained.match
