"""Does W become a stronger human-like player? W and E from networks that play like humans.

    python experiments/human_scale.py --maia FOLDER --corpus human.npz --out runs/human_scale

FOLDER has maia-1100.pb.gz, maia-1500.pb.gz and maia-1900.pb.gz, which users download from
CSSLab/maia-chess (GPL-3); the corpus is of human games that were held out (`corpus-build` with
`--test-share 1`). Two runs, which resume: W = maia-1100 and W = zoo:weak, E = maia-1900. Prints PGR
against p, how often each network plays the human's move, and how often each Maia's.
"""

import dataclasses
import pathlib
from typing import Any

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

import sandwich_jax
from sandwich_jax import Config
from sandwich_jax.evaluation import evaluate_networks, shift_table
from sandwich_jax.evaluation.ledger import Ledger
from sandwich_jax.evaluation.settings import EvaluateConfig
from sandwich_jax.evaluation.work import Work, open_run
from sandwich_jax.folders import log, store
from sandwich_jax.machine import display
from sandwich_jax.players import spelled
from sandwich_jax.report import doc_pages

RATINGS = (1100, 1500, 1900)
SCRIPT = "experiments/human_scale.py"


@dataclasses.dataclass(frozen=True)
class Human:
    """Settings."""

    maia: pathlib.Path
    """Where the three networks are."""
    corpus: pathlib.Path
    """Held-out human games."""
    weak: tuple[str, ...] = ("maia-1100", "zoo:weak")
    """W of each run; a bare name is a Maia's."""
    learning_rate: tuple[float, ...] = (3e-4, 1e-3)
    """Of each run: what suits a network of this project is too much for a Maia, whose normalising
    layers are folded into its weights."""
    p: tuple[float, ...] = (0.0, 0.5)
    rounds: int = 4
    games: int = 384
    updates: int = 240
    openings: int = 128
    """Of the last matches; each is played twice."""
    positions: int = 4000
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/human_scale")
    page: pathlib.Path | None = None
    """Markdown to fill in."""


def spec_of(args: Human, name: str) -> str:
    """How a network is spelled."""
    return name if ":" in name else f"lc0:{args.maia / name}.pb.gz"


def play(args: Human, weak: str, learning_rate: float) -> pathlib.Path:
    """One run and what its networks have in common with humans; returns its folder."""
    config = Config(
        expert=spec_of(args, "maia-1900"), weak=spec_of(args, weak), p=args.p, seed=args.seed,
        learning_rate=learning_rate, rounds=args.rounds, games=args.games, updates=args.updates,
        round_openings=min(args.openings, 32), final_openings=args.openings,
    )  # fmt: skip
    folder = args.out / weak.replace(":", "-")
    with display.bar(f"W = {weak}") as bar:
        sandwich_jax.run(config, folder, wandb="disabled", progress=bar.update)
    references = {f"maia-{rating}": spec_of(args, f"maia-{rating}") for rating in RATINGS}
    policies = {n: shift_table.policy(spelled.load_network(s)) for n, s in references.items()}
    settings = EvaluateConfig(corpus=args.corpus, positions=args.positions, seed=args.seed)
    notes: list[str] = []
    work = Work(open_run(folder, notes), settings, Ledger(folder, notes), print, policies)
    evaluate_networks.move_match(work)
    for note in notes:
        print(note)
    return folder


def tables(folder: pathlib.Path, weak: str) -> str:
    """PGR by member, then move match by network."""
    rows = log.read_rows(folder / "rows.jsonl")
    last = [row for row in rows if row["round"] == max(r["round"] for r in rows)]
    gains = [
        (
            row["member"],
            "" if row.get("p") is None else f"{row['p']:g}",
            doc_pages.interval(row, "elo_gain", "+.0f"),
            doc_pages.interval(row, "pgr", ".2f"),
        )
        for row in last
    ]
    found = log.read_rows(folder / "evaluation.jsonl")
    human = {r["subject"]: r for r in found if r["measure"] == "move match" and r["group"] == "all"}
    same: dict[str, dict[str, Any]] = {}
    for row in found:
        if row["measure"] == "likeness":
            same.setdefault(row["subject"], {})[row["reference"]] = row
    match = [
        (
            name,
            doc_pages.interval(row, "human", ".1%"),
            doc_pages.interval(row, "expert", ".1%"),
            *(f"{same[name][f'maia-{rating}']['same']:.1%}" for rating in RATINGS),
        )
        for name, row in human.items()
    ]
    about = store.read_json(folder / "manifest.json")
    c = about["config"]
    count = next(iter(human.values()))["positions"]
    return "\n\n".join((
        f"### W = {weak}, E = maia-1900",
        f"{c['rounds']} rounds of {c['games']} games and {c['updates']} updates at a learning rate"
        f" of {c['learning_rate']:g}, seed {c['seed']}; matches of {2 * c['final_openings']} games"
        f" at temperature {c['arena_temperature']:g} (JAX {about['versions']['jax']}, commit"
        f" {about['commit']}).",
        doc_pages.table(("member", "p", "Elo gain over W", "PGR"), gains),
        f"How often the first move is the human's, E's and each Maia's, in {count:,} positions of"
        " held-out games:",
        doc_pages.table(
            ("network", "human's", "E's", *(f"maia-{rating}'s" for rating in RATINGS)), match
        ),
    ))  # fmt: skip


def main(args: Human) -> None:
    """Plays what is missing and prints the page's tables."""
    runs = zip(args.weak, args.learning_rate, strict=True)
    made = "\n\n".join(tables(play(args, weak, rate), weak) for weak, rate in runs)
    print(made)
    if args.page is not None:
        doc_pages.fill(args.page, SCRIPT, made)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Human, description=__doc__)))
