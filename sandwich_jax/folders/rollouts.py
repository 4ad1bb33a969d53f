"""One round's games of a member as an .npz: what `evaluate` reads.

Every field of `Rollout` but the positions, which the moves give again, and what is kept for
learning alone (the protocol's notes, the likeliest moves of advice); and of `Truth`; by its name.
`round` is the round. Moves and advice are labels of 16 bits, shapes as in `types`.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import jax
import numpy as np

from sandwich_jax import arrays
from sandwich_jax.types import Rollout, SettingError, Truth

LEFT_OUT = ("positions", "notes", "told")
FAULT = "missing, damaged or of another version"


def save(path: pathlib.Path, round_index: int, rollout: Rollout, truth: Truth) -> None:
    """Writes the games of a round, in place of an earlier one's."""
    fields = {k: v for k, v in rollout._asdict().items() if k not in LEFT_OUT} | truth._asdict()
    taken: dict[str, Any] = jax.device_get(fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    np.savez_compressed(temporary, round=round_index, **taken)
    os.replace(temporary, path)


def load(path: pathlib.Path) -> tuple[int, Rollout, Truth]:
    """The round and its games; their positions are left empty.

    Raises:
        SettingError: the file is missing, damaged or of another version.
    """
    stored: dict[str, Any] = arrays.read(path, fault=FAULT)
    missing = {*Rollout._fields, *Truth._fields, "round"} - {*stored, *LEFT_OUT}
    if missing:
        raise SettingError(f"{path}: {FAULT} (it lacks {', '.join(sorted(missing))}).")
    rollout = {name: stored[name] for name in Rollout._fields if name not in LEFT_OUT}
    truth = {name: stored[name] for name in Truth._fields}
    rollout["positions"] = np.zeros((*rollout["moves"].shape, 0), np.uint32)
    rollout["notes"] = rollout["told"] = ()
    return int(stored["round"]), Rollout(**rollout), Truth(**truth)
