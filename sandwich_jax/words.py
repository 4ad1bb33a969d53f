"""Words that settings choose from, where code that computes has a case for each of them."""

from __future__ import annotations

from typing import Literal

Lasts = Literal["query", "position", "game"]
"""How long a corruption lasts."""
LASTS: tuple[Lasts, ...] = ("query", "position", "game")
NoiseLoss = Literal["none", "symmetric", "truncated"]
"""What takes the place of the cross-entropy where labels may be wrong."""
NOISE_LOSSES: tuple[NoiseLoss, ...] = ("none", "symmetric", "truncated")
Anneal = Literal["round", "run"]
"""Over what the learning rate rises and falls once."""
ANNEALED: tuple[Anneal, ...] = ("round", "run")
Pool = Literal["mean", "medoid"]
"""What becomes of several answers about one position."""
POOLS: tuple[Pool, ...] = ("mean", "medoid")
MemberMode = Literal["loop", "map", "vmap"]
"""`loop`: one call a member. `map`: one program, one member after another. `vmap`: all at once.

`loop` and `map` give the same bits on CPU and suit it; `vmap` suits an accelerator.
"""
WandbMode = Literal["offline", "online", "disabled"]
Schedule = Literal["all", "neighbours", "near"]
"""Everybody meets everybody; those side by side in a list meet; or those two apart as well."""
MOST_SIMULATIONS = 4096
"""Positions that one search may look at."""
