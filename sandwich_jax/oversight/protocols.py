"""How W uses advice that it cannot trust.

A protocol is three pure functions over a batch of lanes; it sees W's own view, what A said, and
its own memory, and never the `Truth`. Adding one is a definition here, or in a file beside this
one, and a line in `PROTOCOLS`: docs/protocols.md has an example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool

from sandwich_jax.oversight.gates import (
    ask_when_unsure,
    prior_gate,
    shallow_search_gate,
    value_gate,
)
from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    ProtocolConfig,
    ask_everywhere,
    follow_if,
)
from sandwich_jax.oversight.reliability import reliability
from sandwich_jax.oversight.scrutiny import cross_examination
from sandwich_jax.oversight.search import search
from sandwich_jax.oversight.trust import learned_trust
from sandwich_jax.oversight.voting import candidates, defer_on_suspicion, majority, product
from sandwich_jax.types import Advice, Decision, Knobs, PRNGKey, Query, SettingError

__all__ = ["KNOBS", "PROTOCOLS", "Memory", "Own", "Protocol", "ProtocolConfig", "make"]

KNOBS: Mapping[str, tuple[float, float]] = {
    "unsure": (0.0, 100.0),
    "close": (0.0, 2.0),
    "budget": (0.0, 1e6),
    "tau": (0.0, 2.0),
    "delta": (-2.0, 2.0),
    "slack": (-1.0, 2.0),
    "trust": (0.0, 2.0),
    "beta_product": (0.0, 1000.0),
}
"""Traced settings of protocols, and the values allowed."""


def _ask_nowhere(own: Own, memory: Memory, knobs: Knobs) -> Query:
    return Query(ask=jnp.zeros(own.move.shape, bool))


def _follow(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    """Plays the advised move wherever there is one."""
    return follow_if(jnp.ones(own.move.shape, bool), own, advice), memory.game


def _follow_honest(
    key: PRNGKey,
    own: Own,
    advice: Advice,
    memory: Memory,
    knobs: Knobs,
    corrupted: Bool[Array, "K B"],
) -> tuple[Decision, Any]:
    """Plays exactly the advice that is not corrupted."""
    return follow_if(~corrupted[0], own, advice), memory.game


def _ignore(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    """Plays W's own move whatever A says."""
    return follow_if(jnp.zeros(own.move.shape, bool), own, advice), memory.game


always_follow = Protocol(ask_everywhere, _follow)
never_ask = Protocol(_ask_nowhere, _follow, asks=False)
only_listen = Protocol(ask_everywhere, _ignore)
oracle_gate = Protocol(ask_everywhere, _follow_honest, told=True)

PROTOCOLS: Mapping[str, Protocol | Callable[[ProtocolConfig], Protocol]] = {
    "always_follow": always_follow,
    "never_ask": never_ask,
    "only_listen": only_listen,
    "ask_when_unsure": ask_when_unsure,
    "prior_gate": prior_gate,
    "value_gate": value_gate,
    "shallow_search_gate": shallow_search_gate,
    "majority": majority,
    "product": product,
    "candidates": candidates,
    "cross_examination": cross_examination,
    "defer_on_suspicion": defer_on_suspicion,
    "reliability": reliability,
    "learned_trust": learned_trust,
    "search_with_advice": search("prior"),
    "search_with_advised_value": search("value"),
    "oracle_gate": oracle_gate,
}


def make(config: str | ProtocolConfig) -> Protocol:
    """A protocol by its settings, or by its name with sizes by default.

    Raises:
        SettingError: an unknown name, or a size below 1.
    """
    config = ProtocolConfig(config) if isinstance(config, str) else config
    if config.protocol not in PROTOCOLS:
        raise SettingError(
            f"Unknown protocol '{config.protocol}': choose one of {', '.join(PROTOCOLS)}."
        )
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, int) and value < 1:
            raise SettingError(f"{field.name} is {value}: it must be at least 1.")
    found = PROTOCOLS[config.protocol]
    return found if isinstance(found, Protocol) else found(config)
