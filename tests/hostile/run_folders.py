"""Run folders after accidents: `report`, now and then `evaluate`, and going on with a run."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import random
import shutil
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from helpers import SMALL, small
from report_folder import sweep

import sandwich_jax
from hostile.common import Done, Outcome, call, refused

TITLE = "damaged run folders"
COUNT, SHARE = 1000, 40
EVALUATED, RESUMED = 40, 50
"""Past the share one in so many is evaluated or gone on with; the others are reported."""

VALUES = (None, 3, "text", [], [1, None], {}, {"rows": None}, {"config": []}, float("nan"), True)
"""What a JSON file or line may hold instead."""


KINDS = ("cut", "empty", "nul", "flip", "delete", "folder", "value", "splice", "swap")


class Case(NamedTuple):
    """What to do with which folder, after how many damages drawn from a seed."""

    verb: str
    base: str
    seed: int
    damages: int
    games: int
    """To be watched, of a report."""


def cases(seed: int, count: int) -> Iterator[Case]:
    """Mostly reports; what has programs to compile comes after the share."""
    rng = random.Random(seed)
    for index in range(count):
        late = index >= SHARE
        verb, base = "report", rng.choice(("sweep", "sweep", "run", "played" if late else "run"))
        if late and index % RESUMED == 0:
            verb, base = "run", "played"
        elif late and index % EVALUATED == 1:
            verb, base = "evaluate", rng.choice(("run", "played"))
        damages = rng.choice((1, 1, 1, 2, 3))
        yield Case(verb, base, rng.getrandbits(32), damages, 4 if late else 0)


def attempt(case: Case, folder: pathlib.Path) -> Outcome:
    """Damages a copy, and lets the program have it."""
    place = folder / "runs"
    # Nothing here or in the program writes into a file that is there.
    shutil.copytree(_base(case.base), place, copy_function=os.link)
    rng = random.Random(case.seed)
    damages = ", ".join(_damage(place, rng) for _ in range(case.damages))
    if case.verb == "report":
        done = call("report", place, "--games", case.games, "--no-figures")
        outcome = _outcome(done, place / "report.html")
    elif case.verb == "evaluate":
        outcome = _outcome(call("evaluate", place), place / "evaluation.jsonl")
    else:
        outcome = _resumed(place)
    return outcome._replace(says=f"{case.verb} after {damages}: {outcome.says}")


def _outcome(done: Done, written: pathlib.Path) -> Outcome:
    if done.status:
        return refused(done)
    if not written.is_file() or not done.out.strip():
        return Outcome("harm", f"exit status 0, but nothing was made: {done.out!r} {done.err!r}")
    return Outcome("read")


def _resumed(place: pathlib.Path) -> Outcome:
    flags = [x for k, v in SMALL.items() if k != "p" for x in (f"--{k.replace('_', '-')}", v)]
    done = call("run", "--out", place, "--wandb", "disabled", "--p", 0.5, "--no-control", *flags)
    if done.status:
        # Before it ends, a run tells what it went back to, and how far it is.
        *told, last = done.err.splitlines()
        if any(not line.startswith(("sandwich-jax: ", "Run: ")) for line in told):
            return Outcome("harm", f"not sentences: {done.err!r}")
        return refused(done._replace(err=last))
    rows = [_timeless(path / "rows.jsonl") for path in (place, _base("played"))]
    same = rows[0] == rows[1]
    return Outcome("read") if same else Outcome("harm", f"other rows: {done.err!r}")


def _timeless(path: pathlib.Path) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


# --- folders ------------------------------------------------------------------------------------


@functools.cache
def _made() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="hostile-runs-")


@functools.cache
def _base(name: str) -> pathlib.Path:
    """A folder as it should be; made once."""
    place = pathlib.Path(_made().name) / name
    if name == "played":
        sandwich_jax.run(small(p=(0.5,), control=False), place, wandb="disabled")
    else:
        sweep(place, strengths=2, rounds=2, games=(2, 6))
    if name == "run":
        return min((place / "members").iterdir())
    return place


# --- damages ------------------------------------------------------------------------------------


def _damage(place: pathlib.Path, rng: random.Random) -> str:
    """Damages one file; says how."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    path = rng.choice(files)
    kind = rng.choice(
        ("cut", "empty", "nul", "flip", "delete", "folder", "value", "splice", "swap")
    )
    data = bytearray(path.read_bytes())
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "delete":
        path.write_bytes(_spoilt(kind, data, rng.choice(files), rng))
    return f"{kind} {path.relative_to(place)}"


def _spoilt(kind: str, data: bytearray, other: pathlib.Path, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    if kind == "cut":
        return data[:at]
    if kind == "nul":
        return data[:at] + bytes(len(data) - at) if rng.random() < 0.5 else bytes(len(data))
    if kind == "flip" and data:
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return data
    if kind == "value":
        return _other_value(data, rng)
    strange = other.read_bytes() if other.is_file() else b""
    if kind == "swap":
        return strange
    if kind == "splice":
        start = rng.randrange(len(strange) + 1)
        return data[:at] + strange[start : start + rng.randrange(1, 400)] + data[at:]
    return b""


def _other_value(data: bytes, rng: random.Random) -> bytes:
    """One value in the JSON of a file by one of another type; the file by one where it has none."""
    lines = bytes(data).splitlines(keepends=True)
    number = rng.randrange(len(lines)) if lines else 0
    whole = lines[0][:1] == b"{" and lines[0].strip() != b"{" if lines else False
    try:
        found = json.loads(lines[number] if whole else bytes(data))
    except ValueError:
        return json.dumps(rng.choice(VALUES)).encode()
    if isinstance(found, dict) and found and rng.random() < 0.8:
        inner = found
        while True:
            key = rng.choice(sorted(inner))
            below = inner[key]
            if not (isinstance(below, dict) and below and rng.random() < 0.7):
                break
            inner = below
        inner[key] = rng.choice(VALUES)
    else:
        found = rng.choice(VALUES)
    text = json.dumps(found).encode()
    return b"".join([*lines[:number], text + b"\n", *lines[number + 1 :]]) if whole else text
