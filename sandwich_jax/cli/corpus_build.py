"""`sandwich-jax corpus build`."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import tyro

from sandwich_jax import outputs
from sandwich_jax.machine import console, display
from sandwich_jax.training.settings import Filters


@dataclasses.dataclass(frozen=True)
class CorpusBuild:
    """Turns PGN files into a corpus of move arrays."""

    pgn: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """PGN files, plain or packed (.zst, .gz, .bz2, .xz)."""
    out: pathlib.Path
    """The corpus file to write (.npz)."""
    filters: tyro.conf.OmitArgPrefixes[Filters] = Filters()
    test_share: float = 0.02
    """Share of games held out, chosen by a hash of their moves."""
    max_games: int | None = None
    """Stop after so many usable games."""
    workers: int | None = None
    """Threads, of which one reads and the others replay: one more than there are processors by
    default."""


def corpus_build(args: CorpusBuild) -> None:
    """`sandwich-jax corpus build`."""
    from sandwich_jax.training import corpus

    total = sum(os.path.getsize(path) for path in args.pgn if os.path.isfile(path))

    def build() -> dict[str, int]:
        with display.bar("Corpus") as bar:
            return corpus.build(
                list(args.pgn),
                args.out,
                args.filters,
                args.test_share,
                args.max_games,
                args.workers,
                lambda read, games: bar.update(min(read, total), total, f"{games:,} games"),
            )

    outputs.show(build, _print_counts)
    console.OUT.print(f"Corpus in {args.out}", highlight=False)


def _print_counts(counts: dict[str, int]) -> None:
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        console.OUT.print(f"{count:>10,}  {reason}", highlight=False)
