"""`sandwich-jax bench`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any, Literal

import tyro

from sandwich_jax.errors import SettingError
from sandwich_jax.machine import display


@dataclasses.dataclass(frozen=True)
class Bench:
    """Speed beside a peer's, one JSON object a line; both run in one process by turns."""

    what: tyro.conf.Positional[Literal["board", "selfplay", "corpus"]]
    """board: against pgx's chess. selfplay: against the bare forward passes that it makes. corpus:
    against python-chess."""
    batches: tuple[int, ...] = ()
    """Games at a time, of board and selfplay; 64 and 1024, or 256 and 1024, by default."""
    repeats: int = 5
    """Runs of each side; figures are medians."""
    network: str = "tiny"
    """Of selfplay: the size of fresh networks."""
    expert: str = "fresh:1"
    """Of selfplay: E. What trained networks play differs from what fresh ones do, and with it what
    some protocols cost."""
    weak: str = "fresh:2"
    """Of selfplay: W."""
    protocols: tuple[str, ...] = ("always_follow",)
    """Of selfplay; beside always_follow, the cost of the others is told relative to it."""
    plies: int = 80
    """Of selfplay: of a game at most."""
    misalignment: str = "random_move"
    """Of selfplay."""
    pgn: pathlib.Path | None = None
    """Of corpus; random games by default."""
    games: int = 2048
    """Of corpus."""

    def __post_init__(self) -> None:
        """Raises SettingError for a number out of range."""
        odd = any(batch < 2 or batch % 2 for batch in self.batches)
        if self.repeats < 1 or self.plies < 1 or odd:
            raise SettingError(
                "repeats and plies must be at least 1, and batches even numbers of at least 2."
            )


def bench(args: Bench) -> None:
    """`sandwich-jax bench`."""
    rows = _bench_rows(args)
    while True:  # a bar a row, so that rows are written while there is none
        with display.bar(f"Bench {args.what}") as bar:
            bar.say("measuring")
            row = next(rows, None)
        if row is None:
            break
        print(json.dumps(row), flush=True)


def _bench_rows(args: Bench) -> Iterator[dict[str, Any]]:
    if args.what == "board":
        from sandwich_jax.board.bench import bench as board_rows

        return board_rows(args.batches or (64, 1024), repeats=args.repeats)
    if args.what == "corpus":
        from sandwich_jax.training.corpus_bench import bench as corpus_rows

        return corpus_rows(args.pgn, args.games, args.repeats)

    from sandwich_jax.folders import store
    from sandwich_jax.measures import throughput
    from sandwich_jax.models import game_of
    from sandwich_jax.players import spelled

    models = spelled.load_pair(args.expert, args.weak, "chess", args.network)
    sizes = " and ".join(dict.fromkeys(store.size_name(model.net.config) for model in models))
    name = f"E {args.expert} and W {args.weak} ({sizes})"
    pair = throughput.Pair(name, game_of("chess", models), *models)
    batches = args.batches or (256, 1024)
    about = (args.protocols, args.misalignment, args.repeats, args.plies)
    return throughput.bench(pair, batches, *about)
