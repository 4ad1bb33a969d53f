"""Protocols for sentences as entries of the catalogue, told without loading them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sandwich_jax import kinds
from sandwich_jax.catalogue import Entry
from sandwich_jax.declare import declared
from sandwich_jax.kinds import Kind

PART = "protocol on text"


def entries() -> Iterator[Entry]:
    """All of them."""
    kept = kinds.of_text()
    for name, kind in (declarations() if kept is None else kept).items():
        yield Entry(PART, name, kind.says, kind.declares, (), kind.source)


def declarations() -> Mapping[str, Kind]:
    """What they declare beside their code."""
    from sandwich_jax.language import protocols

    return {
        name: Kind(declared(type(one.settings)), frozenset(), one.says, one.source, one.asks)
        for name, one in protocols.PROTOCOLS.items()
    }
