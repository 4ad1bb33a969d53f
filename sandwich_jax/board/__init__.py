"""Chess in JAX: batched, bit-parallel rules, and a pgx environment over them.

Squares and action labels are pgx's, from the side to move's point of view (see `geometry`). The
packed interface works on a `State` of B games; `Chess` is a `pgx.Env` over single games.
"""

from typing import TYPE_CHECKING, Any

from .draws import FIFTY, PLY_CAP, Reason, insufficient
from .expand import board_codes, expand
from .features import Past, clock_of, color_of, decode, encode, features, observation, past_of
from .features import remember as remember_past
from .geometry import LABELS, PLANES, label_of
from .lookahead import MOST_MOVES, Successors, legal_labels, successors
from .notation import START_FEN, from_fen, from_uci, mended, to_fen, to_uci
from .perft import perft
from .pieces import material
from .sample import NO_MOVE, sample_logits, sample_uniform
from .state import (
    State,
    init,
    legal_words,
    position_hash,
    reset,
    rewards,
    step,
    take,
    terminated,
    truncated,
    where,
)

if TYPE_CHECKING:
    from .env import Chess

__all__ = [
    "FIFTY",
    "LABELS",
    "MOST_MOVES",
    "NO_MOVE",
    "PLANES",
    "PLY_CAP",
    "START_FEN",
    "Chess",
    "Past",
    "Reason",
    "State",
    "Successors",
    "board_codes",
    "clock_of",
    "color_of",
    "decode",
    "encode",
    "expand",
    "features",
    "from_fen",
    "from_uci",
    "init",
    "insufficient",
    "label_of",
    "legal_labels",
    "legal_words",
    "material",
    "mended",
    "observation",
    "past_of",
    "perft",
    "position_hash",
    "remember_past",
    "reset",
    "rewards",
    "sample_logits",
    "sample_uniform",
    "step",
    "successors",
    "take",
    "terminated",
    "to_fen",
    "to_uci",
    "truncated",
    "where",
]


def __getattr__(name: str) -> Any:
    # pgx takes a device and a quarter of a second when it is imported, and nothing else here does.
    if name == "Chess":
        from .env import Chess

        return Chess
    raise AttributeError(f"module 'sandwich_jax.board' has no attribute '{name}'")
