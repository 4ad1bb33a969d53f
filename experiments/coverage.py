"""Do intervals cover the truth as often as they say, and does the sequential test err as seldom?

    python experiments/coverage.py

Simulated matches between players of known strength, by Davidson's model; takes some minutes.
"""

import dataclasses
import pathlib
from collections.abc import Iterable

import numpy as np
import tyro
from rich.table import Table

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.folders import store
from sandwich_jax.measures import (
    bradley_terry,
    critical,
    pentanomial,
    seeds,
    shares,
    simulate,
    sprt,
)
from sandwich_jax.measures.elo import Fit
from sandwich_jax.measures.shares import Spread


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Settings."""

    matches: int = 1000
    """Of 200 opening pairs, for every kind of interval."""
    tests: int = 2000
    """Sequential tests under each hypothesis."""
    out: pathlib.Path = pathlib.Path("runs/coverage.json")


def covered(found: Iterable[Spread], truth: float) -> np.ndarray:
    """Which intervals hold the truth."""
    return np.asarray([one.low <= truth <= one.high for one in found])


def of_joint_fit(count: int) -> dict[str, np.ndarray]:
    """Elo, draws and White's advantage by the bootstrap over opening pairs."""
    fits = [
        bradley_terry.fit({("a", "b"): simulate.match(seed, 100)}, "b", seed=seed)
        for seed in range(count)
    ]
    return {
        "joint fit: Elo 100": covered((f.fit.difference("a", "b") for f in fits), 100),
        "joint fit: draws 30%": covered((f.draw_share() for f in fits), 0.3),
        "joint fit: White's advantage 30": covered((f.white_advantage() for f in fits), 30),
    }


def of_pairs(count: int) -> dict[str, np.ndarray]:
    """Elo of one match, by opening pairs, of clear and of level matches, long and short."""
    found = {}
    for difference, draws, pairs in ((100, 0.3, 200), (0, 0.6, 60)):
        truth = simulate.expected(difference, draws)
        scores = [
            pentanomial.score(simulate.match(seed, difference, draws, openings=pairs)).elo
            for seed in range(count)
        ]
        found[f"one match of {pairs} pairs: Elo {truth:.0f}"] = covered(scores, truth)
    return found


def of_seeds(count: int, runs: int = 4) -> dict[str, np.ndarray]:
    """Elo over seeds that differ by 40 beside an error of measurement of 15."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        shared, resampled = rng.normal(0, 15), rng.normal(0, 15, 200)
        rows = np.zeros((runs, 201, 2))
        rows[:, :, 1] = 100 + shared + rng.normal(0, 40, (runs, 1)) + [0.0, *resampled]
        fits = [Fit(("W", "S"), row) for row in rows]
        found.append(seeds.over_seeds(fits, seed).difference("S", "W"))
    return {f"{runs} seeds: Elo 100": covered(found, 100)}


def of_crossings(count: int) -> dict[str, np.ndarray]:
    """Where curves cross a level, over seeds: falling fast, and so slowly that all is noise."""
    axis = np.asarray([0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0])
    found = {}
    for name, first, last, spread, runs in (
        ("a steep curve", 300, -550, 40, 3),
        ("a shallow curve", 70, -10, 40, 3),
        ("a shallow curve", 70, -10, 40, 5),
    ):
        crossings = []
        for seed in range(count):
            noise = np.random.default_rng(seed).normal(0, spread, (runs, len(axis)))
            mean = critical.mean_over_seeds(first + (last - first) * axis + noise, seed=seed)
            crossings.append(critical.crossing(critical.falls_below(axis, mean, 0.0), axis))
        found[f"{runs} seeds: where {name} crosses 0"] = covered(crossings, first / (first - last))
    return found


def of_tests(count: int) -> dict[str, np.ndarray]:
    """Wrong verdicts of a sequential test."""
    test = sprt.Test(0, 40)
    return {
        f"SPRT 0 against 40, truth {truth}: {wrong} accepted": np.asarray(
            [simulate.sequential(seed, test, truth)[0] == wrong for seed in range(count)]
        )
        for truth, wrong in ((0, "H1"), (40, "H0"))
    }


def main(args: Coverage) -> None:
    """Simulates, prints, writes."""
    found: dict[str, np.ndarray] = {}
    for step in (of_joint_fit, of_pairs, of_seeds, of_crossings, of_tests):
        console.OUT.print(step.__doc__)
        found |= step(args.tests if step is of_tests else args.matches)
    table = Table(title="Share of simulated matches (95% interval)")
    for header in ("what", "share", "of"):
        table.add_column(header)
    rows = {name: shares.wilson(int(hit.sum()), len(hit)) for name, hit in found.items()}
    for name, (low, high, count) in rows.items():
        table.add_row(name, f"{found[name].mean():.1%} [{low:.1%}, {high:.1%}]", str(count))
    console.OUT.print(table)
    store.write_json(args.out, {n: [float(found[n].mean()), *row] for n, row in rows.items()})


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Coverage, description=__doc__)))
