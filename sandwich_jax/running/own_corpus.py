"""The games that W was trained on, as samples to go on with: the control `own_corpus`."""

from __future__ import annotations

import pathlib

import jax.numpy as jnp
import numpy as np

from sandwich_jax import sandwich
from sandwich_jax.folders import store
from sandwich_jax.members import Config, members_of, program_of
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.players import spelled
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training.pretrain import positions_of
from sandwich_jax.types import SettingError, Window

MOST = 2**18
"""Positions kept, drawn at random: more than the updates of a run of default length draw."""


def given(setup: sandwich.Setup) -> sandwich.Setup:
    """The setup with W's corpus, where a member goes on with it.

    Raises:
        SettingError: it cannot be read, or W's card does not say which of its games W saw.
    """
    programs = (program_of(setup.config, member) for member in members_of(setup.config))
    if not any(OBJECTIVES[program.objective].corpus for program in programs):
        return setup
    return setup._replace(corpus=window_of(setup.config))


def window_of(config: Config) -> Window:
    """W's training games: the first of the corpus, as many as its card says."""
    folder = spelled.folder_of(config.weak)
    games = store.read_card(folder).about.get("games") if folder else None
    if not isinstance(games, int):
        raise SettingError(f"own_corpus: '{config.weak}' has no card that says its training games.")
    corpus = corpora.load(pathlib.Path(config.corpus))
    rows = np.flatnonzero(~corpus.test)
    if len(rows) < games:
        raise SettingError(
            f"{config.corpus}: {len(rows)} training games, but '{config.weak}' was trained on"
            f" {games}: give the corpus that it was trained on."
        )
    found = positions_of(corpus, rows[:games])
    chosen = np.arange(len(found.moves))
    if len(chosen) > MOST:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, MOST, replace=False))
    ones = jnp.ones(len(chosen))
    return Window(
        positions=jnp.asarray(found.positions[chosen]),
        moves=jnp.asarray(found.moves[chosen].astype(np.int16)),
        policy_weight=ones,
        value_target=jnp.asarray(found.value[chosen].astype(np.float32)),
        value_weight=ones,
    )
