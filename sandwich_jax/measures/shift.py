"""What tuning does to a policy: how sharp it is, and how far from where it began.

Policies are distributions over legal moves, at temperature 1, as log-probabilities; all figures
are in nats and per position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sandwich_jax.measures import shares

LogPolicy = Callable[[Any], Float[Array, "B A"]]
"""`encoded positions -> log-probabilities`; very low, not -inf, where a move is illegal."""

CHUNK = 256
"""Positions at a time."""


class Figures(NamedTuple):
    """One policy on N positions."""

    entropy: Float[np.ndarray, "N"]
    """-sum p log p; its exponential is the effective number of moves."""
    top: Int[np.ndarray, "N"]
    """The likeliest move."""
    kl: dict[str, Float[np.ndarray, "N"]]
    """KL(this || reference) = sum p log(p / q), by the name of the reference."""


@jax.jit
def entropy(log_p: Float[Array, "B A"]) -> Float[Array, "B"]:
    """Shannon entropy in nats."""
    return -(jnp.exp(log_p) * log_p).sum(-1)


@jax.jit
def divergence(log_p: Float[Array, "B A"], log_q: Float[Array, "B A"]) -> Float[Array, "B"]:
    """KL(p || q) in nats."""
    return (jnp.exp(log_p) * (log_p - log_q)).sum(-1)


def figures(
    policies: Mapping[str, LogPolicy],
    references: tuple[str, ...],
    positions: np.ndarray,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Figures]:
    """Figures of all policies on the same positions.

    Args:
        policies: by name.
        references: names among them, to which divergences are taken.
        positions: encoded, [N, ...].
        progress: told how many of them are done.
    """
    parts: dict[str, list[Figures]] = {name: [] for name in policies}
    for first in range(0, len(positions), CHUNK):
        # Always as many rows, so that one program is compiled: the first come over again.
        rows = np.arange(first, first + CHUNK) % len(positions)
        count = min(CHUNK, len(positions) - first)
        logs = {name: policy(jnp.asarray(positions[rows])) for name, policy in policies.items()}
        for name, log_p in logs.items():
            kl = {r: np.asarray(divergence(log_p, logs[r]))[:count] for r in references}
            top = np.asarray(log_p.argmax(-1))[:count]
            parts[name].append(Figures(np.asarray(entropy(log_p))[:count], top, kl))
        progress(first + count)
    return {name: _joined(found, references) for name, found in parts.items()}


def _joined(parts: list[Figures], references: tuple[str, ...]) -> Figures:
    kl = {r: np.concatenate([part.kl[r] for part in parts]) for r in references}
    entropies, tops = ([getattr(p, name) for p in parts] for name in ("entropy", "top"))
    return Figures(np.concatenate(entropies), np.concatenate(tops), kl)


def summary(
    found: Mapping[str, Figures], name: str, references: Mapping[str, str], rows: np.ndarray
) -> dict[str, Any]:
    """What one policy does on some of the positions, as columns with 95% intervals.

    Args:
        found: from `figures`.
        name: of the policy.
        references: a short word for each reference, such as "start" or "expert".
        rows: bool[N], the positions that count; at least one.

    Returns:
        `entropy`, `effective_moves`, and for each reference `kl_to_WORD`, `entropy_over_WORD`
        (paired difference) and `top1_with_WORD`, each with `_lo` and `_hi`; and `positions`.
    """
    own = found[name]
    columns: dict[str, Any] = {"positions": int(rows.sum())}
    columns |= shares.columns("entropy", shares.mean(own.entropy[rows]))
    columns |= shares.columns("effective_moves", shares.mean(np.exp(own.entropy[rows])))
    for reference, word in references.items():
        other = found[reference]
        columns |= shares.columns(f"kl_to_{word}", shares.mean(own.kl[reference][rows]))
        paired = (own.entropy - other.entropy)[rows]
        columns |= shares.columns(f"entropy_over_{word}", shares.mean(paired))
        columns |= shares.columns(f"top1_with_{word}", shares.share((own.top == other.top)[rows]))
    return columns
