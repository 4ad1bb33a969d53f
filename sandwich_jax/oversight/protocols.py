"""How W uses advice that it cannot trust.

A protocol is three pure functions over a batch of lanes; it sees W's own view, what A said, and
its own memory, and never the `Truth`. Adding one is a definition with its settings, here or in a
file beside this one, and a line in `PROTOCOLS`: docs/adding.md has an example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool

from sandwich_jax import given
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
    Sized,
    ask_everywhere,
    follow_if,
)
from sandwich_jax.oversight.reliability import reliability
from sandwich_jax.oversight.scrutiny import cross_examination
from sandwich_jax.oversight.search import search
from sandwich_jax.oversight.thought import search_gate
from sandwich_jax.oversight.trust import learned_trust
from sandwich_jax.oversight.voting import candidates, defer_on_suspicion, majority, product
from sandwich_jax.settings import Nothing, settings, size, sizes_in, word
from sandwich_jax.types import Advice, Decision, PRNGKey, Query, SettingError
from sandwich_jax.words import POOLS, Pool

__all__ = ["PROTOCOLS", "Memory", "Own", "Protocol", "ProtocolConfig", "make"]


@dataclasses.dataclass(frozen=True, init=False)
class ProtocolConfig:
    """Static: a protocol by its name, and its sizes and words."""

    protocol: str
    sizes: tuple[tuple[str, int | str], ...]

    def __init__(self, protocol: str, **sizes: int | str):
        """Sizes by name; those left out are as by default."""
        object.__setattr__(self, "protocol", protocol)
        object.__setattr__(self, "sizes", tuple(sorted(sizes.items())))


def _ask_nowhere(own: Own, memory: Memory, knobs: Nothing) -> Query:
    return Query(ask=jnp.zeros(own.move.shape, bool))


def _follow(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Nothing
) -> tuple[Decision, Any]:
    """Plays the advised move wherever there is one."""
    return follow_if(jnp.ones(own.move.shape, bool), own, advice), memory.game


def _follow_honest(
    key: PRNGKey,
    own: Own,
    advice: Advice,
    memory: Memory,
    knobs: Nothing,
    corrupted: Bool[Array, "K B"],
) -> tuple[Decision, Any]:
    """Plays exactly the advice that is not corrupted."""
    return follow_if(~corrupted[0], own, advice), memory.game


def _ignore(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Nothing
) -> tuple[Decision, Any]:
    """Plays W's own move whatever A says."""
    return follow_if(jnp.zeros(own.move.shape, bool), own, advice), memory.game


always_follow = Protocol(ask_everywhere, _follow, says="Plays what A says: the yardstick.")
never_ask = Protocol(
    _ask_nowhere, _follow, asks=False, wants=(), says="Self-play alone: the control."
)


@settings
class OnlyListen:
    """How much W hears."""

    listens: int = size(1, "how often A is asked about one position")
    pool: Pool = word(
        "mean",
        "what `distil_policy` learns of several answers: their mean, or the medoid, the one that"
        " has most in common with all others",
        POOLS,
        of_policies=True,
    )


def _only_listen(settings: OnlyListen) -> Protocol:
    """Plays as if it had not asked."""
    return Protocol(
        ask_everywhere,
        _ignore,
        samples=settings.listens,
        pool=settings.pool,
        settings=settings,
        says="Asks everywhere and plays its own move all the same.",
    )


only_listen = Sized(OnlyListen, _only_listen)
oracle_gate = Protocol(
    ask_everywhere,
    _follow_honest,
    told=True,
    says="Follows exactly the advice that is not corrupted: a control, which is told the truth.",
)

PROTOCOLS: Mapping[str, Protocol | Sized] = {
    "always_follow": always_follow,
    "never_ask": never_ask,
    "only_listen": only_listen,
    "ask_when_unsure": ask_when_unsure,
    "prior_gate": prior_gate,
    "value_gate": value_gate,
    "shallow_search_gate": shallow_search_gate,
    "search_gate": search_gate,
    "majority": majority,
    "product": product,
    "candidates": candidates,
    "cross_examination": cross_examination,
    "defer_on_suspicion": defer_on_suspicion,
    "reliability": reliability,
    "learned_trust": learned_trust,
    "search_with_advice": search("prior", "A search with A's policy as its prior."),
    "search_with_advised_value": search("value", "A search with A's values."),
    "oracle_gate": oracle_gate,
}


def make(config: str | ProtocolConfig) -> Protocol:
    """A protocol by its settings, or by its name with sizes by default.

    Raises:
        SettingError: an unknown name, or a size that is not allowed.
    """
    config = ProtocolConfig(config) if isinstance(config, str) else config
    if config.protocol not in PROTOCOLS:
        raise SettingError(given.unknown("protocol", config.protocol, PROTOCOLS, given.ALL_KINDS))
    found = PROTOCOLS[config.protocol]
    if isinstance(found, Protocol):
        return found
    sizes = {name: value for name, value in config.sizes if name in sizes_in(found.settings)}
    return found.build(found.settings(**sizes))


def settings_of(name: str) -> type:
    """The settings that a protocol declares."""
    found = PROTOCOLS[name]
    return found.settings if isinstance(found, Sized) else type(found.settings)
