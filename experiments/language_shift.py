"""Which tuning narrows what a model of text says? Four ways from one base; docs/shift.md.

    python experiments/language_shift.py --models runs/text --out runs/text_shift --page

The base model writes and is rated, and learns from its best-rated samples, or by PPO with and
without a divergence from where it began, or from demonstrations. The rater measures nothing,
except in the small world, whose exact rule rates and measures.
Interrupted, it goes on where it was.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.language import shift, tuning
from sandwich_jax.language.models import Folder
from sandwich_jax.language.tasks import tasks
from sandwich_jax.language.tuning import TuneConfig
from sandwich_jax.machine import display
from sandwich_jax.report import doc_pages

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "shift.md"
HEADS = {
    "entropy": "entropy (nats)",
    "top": "top probability",
    "distinct_2": "distinct-2",
    "kl": "KL to base (nats)",
    "length": "tokens",
    "agreement": "agreement",
    "toxicity": "toxic",
    "toxicity_second": "second judge",
    "right": "right",
}


@dataclasses.dataclass(frozen=True)
class LanguageShift:
    """Settings; the defaults made the table in docs/shift.md."""

    models: pathlib.Path
    out: pathlib.Path = pathlib.Path("runs/text_shift")
    rounds: int = 12
    sentences: int = 512
    ppo_rounds: int = 40
    ppo_rate: float = 2e-3
    kl: float = 0.1
    count: int = 64
    """Prompts of each task."""
    seed: int = 0
    page: bool = False
    """Write the table into docs/shift.md."""


def ways(args: LanguageShift) -> Mapping[str, TuneConfig]:
    """The four ways."""
    best = TuneConfig(rounds=args.rounds, sentences=args.sentences, seed=args.seed)
    ppo = dataclasses.replace(best, way="ppo", rounds=args.ppo_rounds, learning_rate=args.ppo_rate)
    return {
        "best-rated": best,
        "PPO": ppo,
        "PPO with KL": dataclasses.replace(ppo, kl=args.kl),
        "demonstrations": dataclasses.replace(best, way="demonstrations"),
    }


def main(args: LanguageShift) -> None:
    """Tunes, then measures."""
    folder = Folder(args.models)
    named = {"base": folder.model("B")}
    for name, config in ways(args).items():
        out = args.out / name.replace(" ", "_")
        with display.bar(name) as bar:
            tuning.tune_in(out, args.models, config, bar.update)
        named[name] = shift.load(f"{shift.SPELLED}{out}")
    given = tasks((), folder, named["base"], args.count)
    with display.bar("Shift") as bar:
        rows = shift.rows_of(named, "base", given, folder.judges, args.seed, bar.update)
    for task in given:
        console.OUT.print(shift.table([row for row in rows if row["task"] == task.name]))
    if args.page:
        mark = "experiments/language_shift.py" + (" on the small world" if folder.of_world else "")
        doc_pages.fill(PAGE, mark, table(rows))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for every task and model."""
    used = [name for name in HEADS if any(row.get(name) is not None for row in rows)]
    lines = [
        (row["task"], row["player"],
         *(doc_pages.interval(row, n, ".2f") if row.get(n) is not None else "" for n in used))
        for row in rows
    ]  # fmt: skip
    return doc_pages.table(("task", "model", *(HEADS[name] for name in used)), lines)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(LanguageShift, description=__doc__)))
