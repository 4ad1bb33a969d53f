"""Members' folders with invented figures, and pairs of settings that differ in one alone."""

import functools
import itertools
import json
import pathlib

import numpy as np

from sandwich_jax import games, identity, nets, uses
from sandwich_jax.config import default_of
from sandwich_jax.config import names as declared
from sandwich_jax.folders import store
from sandwich_jax.losses import NOISE_LOSSES
from sandwich_jax.members import Config, members_of, strength_names
from sandwich_jax.misalign import lasting
from sandwich_jax.misalign.transforms import TRANSFORMS
from sandwich_jax.running import phase
from sandwich_jax.types import SettingError
from sandwich_jax.words import ANNEALED

ALONE = {"control": False}
WORDS = {name: tuple(own) for name, own in uses.kinds().items()} | {
    "lasts": lasting.LASTS, "noise_loss": tuple(NOISE_LOSSES), "network": tuple(nets.SIZES),
    "results": ("rules", "adjudicated"), "game": games.NAMES, "anneal": ANNEALED,
}  # fmt: skip
"""What a setting that is a word may be; others name a network or a file."""


def settings_for(name: str) -> list[dict]:
    """Ways to have a use of a setting: kinds that declare it, with what they need themselves."""
    if name == "network":
        return [{"expert": "fresh:1", "weak": "fresh:2"} | _needed("random_move")]
    ways = [
        {part: kind}
        for part, own in uses.kinds().items()
        for kind, found in own.items()
        if name in found.uses and part != "controls"
    ]
    more = {"objective": "distil_policy"} if name == "pool" else {}
    return [way | more | _needed(way.get("misalignment", "random_move")) for way in ways or [{}]]


def _needed(misalignment: str) -> dict:
    kind = TRANSFORMS[misalignment]
    found = {kind.strength: (kind.about_strength.high / 2,)}
    return found | ({"saboteur": "zoo:subtle_loser"} if "saboteur" in kind.uses else {})


def values_for(name: str) -> list:
    """What a setting could be, by its type."""
    default = default_of(name)
    if name in strength_names():
        return [(0.25,), (0.5,)]
    if isinstance(default, float):
        return [x * default + y for x, y in itertools.product((1.0, 0.5, 2.0), (0.0, 0.25, 1.0))]
    if isinstance(default, int):
        return [default, 2 * default, default + 1, default // 2, 32, 64]
    if name == "saboteur":  # a word must be there where there is a use of it
        return ["zoo:subtle_loser", "zoo:weak"]
    own = uses.find(name)
    if own is not None and own.choices:
        return list(own.choices)
    return list(WORDS.get(name, ("fresh:3", "fresh:4")))


@functools.cache
def pair(name: str) -> tuple[Config, Config]:
    """Two configurations of one member that differ in this setting alone, and depend on it."""
    for way in settings_for(name):
        found = []
        for value in values_for(name):
            try:
                config = Config(**ALONE | way | {name: value})
            except SettingError:
                continue
            found += [config] if config not in found else []
            if len(found) == 2:
                return tuple(found)
    raise AssertionError(f"no two values of {name}: what may it be?")


def figures(config: Config, elo_gain: float = 10.0) -> dict:
    """A row as a member's last round leaves it."""
    (member, *_) = members_of(config)
    strengths = dict.fromkeys(strength_names())
    if uses.choice_of(config).asks:
        strengths |= dict(member.strengths)
    found = {"round": config.rounds, "member": member.name, "role": member.role, "answers": 1}
    found |= identity.columns(config) | strengths | dict.fromkeys(phase.ADVICE, 0.5)
    for name, value in (("elo_gain", elo_gain), ("pgr", 0.1), ("a_elo", 50.0), ("e_elo", 500.0)):
        found |= {name: value, f"{name}_lo": value - 1, f"{name}_hi": value + 1}
    return found | {"arena_games": 16}


def write(folder: pathlib.Path, config: Config, row: dict) -> None:
    """A member's folder, as `report` and `phase` read it."""
    store.write_json(folder / "manifest.json", {"config": store.to_plain(config.plain())})
    store.write_text(folder / "rows.jsonl", json.dumps(row) + "\n")
    (member, *_) = members_of(config)
    pairs = [("E", "W"), (member.name, "W"), (member.name, "E")]
    if member.assistant != "E":
        pairs += [(member.assistant, player) for player in ("W", "E", member.name)]
    (folder / "arena").mkdir()
    rng = np.random.default_rng(0)
    points = {f"{a} | {b}": rng.integers(0, 3, (8, 2)) / 2 for a, b in pairs}
    np.savez(folder / "arena" / "final.npz", **points)


def plain(config: Config) -> dict:
    """The same as a sweep's file would say it."""
    changed = {n: v for n, v in config.plain().items() if v != default_of(n) and n != "seed"}
    found = {n: list(v) if isinstance(v, tuple) else v for n, v in changed.items()}
    idle = [n for n in strength_names() if found.get(n) == [0.0]]
    return {n: v for n, v in found.items() if n not in idle} | {"control": config.control}


def names() -> tuple[str, ...]:
    """All settings that may tell two members apart."""
    left_out = {*identity.SPANNING, *identity.PER_SEED}
    return tuple(name for name in declared() if name not in left_out)
