"""Sweep files with anything in them, read and planned as a grid, not played."""

from __future__ import annotations

import pathlib
import random
import zlib
from collections.abc import Iterator

from hostile.common import Outcome, call, refused
from sandwich_jax import grid, sweep_file
from sandwich_jax.members import members_of
from sandwich_jax.running import sweep_toml
from sandwich_jax.types import SettingError

TITLE = "sweep files (TOML)"
COUNT = 1000
SHARE = 60
BY_COMMAND = 12
"""One in so many of those refused is refused by the command as well."""

WHOLE = (
    'misalignment = ["random_move", "policy_noise"]\np = [0.0, 0.3, 0.6]\nsigma = [0.5, 2]\n'
    'seeds = 3\ncontrol = true\nrounds = 6\ngames = 384\nupdates = 240\nfinal_openings = 128\n',
    'protocol = ["prior_gate", "majority"]\ntau = [0.01, 0.1]\nsamples = [3, 5]\np = 0.5\n'
    'lasts = ["query", "position"]\nevery = [1, 2]\nseeds = [0, 7, 100]\nlearning_rate = 1e-3\n',
    'misalignment = "borrow"\nsaboteur = "subtle_loser"\np = [0.2]\nschedule = "every_nth"\n'
    'nth = [2, 3]\nobjective = ["imitate", "ppo"]\nclip = [0.1, 0.2]\nkl = [0.0, 0.1]\n',
    'misalignment = "random_move+value_flip"\np = [0.5]\ncontrols = ["ceiling", "benign"]\n'
    'benign_sigma = [1.5, 3]\nnoise_loss = "symmetric"\ntemperature = [0.3, 0.5]\n',
    'game = "tic_tac_toe"\nexpert = "fresh:1"\nweak = "fresh:2"\nnetwork = ["tiny", "base"]\n'
    'misalignment = "random_move"\np = [0.0, 0.5]\nmax_plies = 8\narena_max_plies = 8\n',
)  # fmt: skip
VALUES = (
    "0", "1", "-1", "2.0", "-0.0", "0.5", "1e309", "nan", "-inf", "true", "false", '""', '"x"',
    '"é♞"', '"a\\nb\\u001b[31m"', "[]", "[[]]", "[0]", "[0.1, 0.1]", "[1, 'a']", "{}", "{a = 1}",
    "1979-05-27", "07:32:00", "99999999999999999999", "50_000_000", "9223372036854775807",
    "0xffffffffffffffffffff", "[0.5, nan]", '["random"]', '"random_move+random_move"', "1e-320",
    '"never_ask"', "4294967296", "10_000", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", '"fresh:1"',
)  # fmt: skip
NAMES = tuple(dict.fromkeys((*grid.axes(), "rounds", "games", "lanes", "max_plies", "batch", "seed",
                             "control", "controls", "benign_sigma", "window", "expert", "corpus",
                             "arena_temperature", "unheard_of", "noise-loss", '""')))  # fmt: skip


def cases(seed: int, count: int) -> Iterator[bytes]:
    """Whole files, a few accidents to each."""
    rng = random.Random(seed)
    for _ in range(count):
        text = rng.choice(WHOLE).encode()
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 5))):
            text = rng.choice(ACCIDENTS)(rng, text)
        yield text


def _flipped(rng: random.Random, text: bytes) -> bytes:
    place = rng.randrange(max(1, len(text)))
    return text[:place] + bytes([rng.randrange(256)]) + text[place + 1 :]


def _cut(rng: random.Random, text: bytes) -> bytes:
    return text[: rng.randrange(len(text) + 1)]


def _doubled(rng: random.Random, text: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    return text[:end] + text[start:end] * rng.choice((1, 1, 3, 50)) + text[end:]


def _spliced(rng: random.Random, text: bytes) -> bytes:
    other = rng.choice(WHOLE).encode()
    return text[: rng.randrange(len(text) + 1)] + other[rng.randrange(len(other)) :]


def _another_value(rng: random.Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    place = rng.randrange(len(lines))
    name = lines[place].partition(b"=")[0]
    lines[place] = name + b"= " + rng.choice(VALUES).encode()
    return b"\n".join(lines)


def _another_name(rng: random.Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place] = rng.choice(NAMES).encode() + b" =" + lines[place].partition(b"=")[2]
    return b"\n".join(lines)


def _another_line(rng: random.Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    line = f"{rng.choice(NAMES)} = {rng.choice(VALUES)}"
    lines.insert(rng.randrange(len(lines) + 1), line.encode())
    return b"\n".join(lines)


def _line_lost(rng: random.Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    del lines[rng.randrange(len(lines))]
    return b"\n".join(lines)


ACCIDENTS = (_flipped, _cut, _doubled, _spliced, _line_lost,
             *(_another_value, _another_name, _another_line) * 2)  # fmt: skip


def attempt(case: bytes, folder: pathlib.Path) -> Outcome:
    """Reads and plans."""
    path = folder / "grid.toml"
    path.write_bytes(case)
    try:
        parts = grid.parse(sweep_toml.read(path))
    except SettingError as error:
        if len(str(error).splitlines()) != 1:
            return Outcome("harm", f"not one sentence: {error}")
        if zlib.crc32(case) % BY_COMMAND:
            return Outcome("refused")
        return refused(call("sweep", path, "--out", folder / "out", "--wandb", "disabled"))
    return _sane(parts)


def _sane(parts: tuple[grid.Part, ...]) -> Outcome:
    """Whether a grid has members, each once, each with a folder that can be made."""
    names = [part.id for part in parts]
    # Controls come on top of what a grid may hold.
    most = 8 * sweep_file.MOST_MEMBERS
    if not 0 < len(parts) < most or len({name.lower() for name in names}) < len(parts):
        return Outcome("harm", f"{len(parts)} members, {len(set(names))} names")
    if max(len(name.encode()) for name in names) > 240:
        return Outcome("harm", f"a name too long: {max(names, key=len)}")
    if any(len(members_of(part.config)) != 1 for part in parts[:20]):
        return Outcome("harm", "a member of several members")
    return Outcome("read")
