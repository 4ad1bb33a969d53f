"""What matters in the recipe: one setting changed at a time, at p = 0 and at p = 0.5.

    python experiments/ablation.py --out runs/ablation [--game chess]
    python experiments/ablation.py --out runs/ablation --page PAGE.md

The first plays what is missing and goes on after a kill; the second makes the page's tables from
what there is. Every line is a sweep in a folder of its own, of both p, on the seeds of `--seeds`.
Seconds are those of self-play and fine-tuning on the machine that played, matches not counted.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from sandwich_jax import grid
from sandwich_jax.folders import places, store
from sandwich_jax.report import doc_pages
from sandwich_jax.running import phase, sweep_folder

Settings = dict[str, Any]
RECIPE: Settings = {
    "misalignment": "random_move", "p": [0.0, 0.5], "control": False, "protocol": "only_listen",
    "objective": "distil_policy", "listens": 5, "pool": "medoid",
}  # fmt: skip
SIZES: dict[str, Settings] = {
    "connect_four": {"rounds": 4, "games": 3072, "updates": 1500, "window": 4},
    "chess": {"rounds": 4, "games": 768, "updates": 600, "window": 4, "lanes": 128},
}
CHANGES: dict[str, Settings] = {
    "the recipe": {},
    "one answer": {"listens": 1, "pool": None},
    "five answers, their mean": {"pool": None},
    "fifteen answers": {"listens": 15},
    "one answer, its move alone": {"listens": 1, "pool": None, "objective": "distil_advice"},
    "W plays what A says": {"protocol": "always_follow", "listens": None, "pool": None},
    "a quarter of the games": {"games": 0.25},
    "twice the updates": {"updates": 2.0},
    "batch 256, a quarter of the updates": {"batch": 256, "updates": 0.25},
    "learning rate 0.001": {"learning_rate": 0.001},
    "learning rate falls over the whole run": {"anneal": "run"},
    "learns from the last round alone": {"window": 1},
    "one round of as many games and updates": {
        "rounds": 1, "games": 4.0, "updates": 4.0, "window": 1},
    "self-play at temperature 0.1": {"temperature": 0.1},
    "self-play at temperature 1": {"temperature": 1.0},
}  # fmt: skip
"""What is changed; a number with a point scales a size of the game."""
HEAD = ("changed", "PGR at p = 0", "PGR at p = 0.5", "thousand positions asked about", "seconds",
        "PGR per 100 thousand, p = 0.5", "PGR a minute, p = 0.5")  # fmt: skip


def main() -> None:
    """Plays, or writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--game", choices=SIZES, default="connect_four")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--page", type=pathlib.Path)
    args = parser.parse_args()
    if args.page:
        doc_pages.fill(args.page, "experiments/ablation.py", _page(args.out, args.game))
        print(args.page)
        return
    for name in CHANGES:
        folder = args.out / args.game / places.slug(name)
        sweep_folder.run(_settings(args.game, name, args.seeds), folder, wandb="disabled")
        print(_line(folder, name), flush=True)


def _settings(game: str, name: str, seeds: int) -> Settings:
    sizes, change = SIZES[game], CHANGES[name]
    scaled = {
        n: int(sizes[n] * x) for n, x in change.items() if n in sizes and isinstance(x, float)
    }
    found = {"game": game, "seeds": seeds} | RECIPE | sizes | change | scaled
    return {n: x for n, x in found.items() if x is not None}


def _page(out: pathlib.Path, game: str) -> str:
    folders = {name: out / game / places.slug(name) for name in CHANGES}
    folders = {name: folder for name, folder in folders.items() if _is_done(folder)}
    about = store.read_json(folders["the recipe"] / "manifest.json")
    s = about["sweep"]
    seeds = f"{s['seeds']} seed{'s' if s['seeds'] > 1 else ''}"
    says = (
        f"{game}, {s['rounds']} rounds of {s['games']} games and {s['updates']} updates,"
        f" {seeds}; {about['device']}, JAX {about['versions']['jax']},"
        f" commit {about['commit']}. 95% intervals."
    )
    return f"{says}\n\n{doc_pages.table(HEAD, [_line(f, n) for n, f in folders.items()])}"


def _is_done(folder: pathlib.Path) -> bool:
    if not (folder / "manifest.json").exists():
        return False
    parts = grid.parse(store.read_json(folder / "manifest.json")["sweep"])
    return all(places.is_done(folder, part) for part in parts)


def _line(folder: pathlib.Path, name: str) -> tuple[str, ...]:
    parts = grid.parse(store.read_json(folder / "manifest.json")["sweep"])
    honest, half = sorted(phase.phase(folder, list(parts)).rows, key=lambda row: row["p"])
    members = [places.rows_of(folder, part) for part in parts if any(part.config.p)]
    asked, seconds = (
        sum(row[name] for rows in members for row in rows) / len(members)
        for name in ("queries", "seconds")
    )
    asked /= 1e3
    return (
        name,
        doc_pages.interval(honest, "pgr", ".2f"),
        doc_pages.interval(half, "pgr", ".2f"),
        f"{asked:.0f}",
        f"{seconds:.0f}",
        f"{half['pgr'] / asked * 100:.2f}",
        f"{half['pgr'] / seconds * 60:.2f}",
    )


if __name__ == "__main__":
    main()
