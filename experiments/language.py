"""The sandwich on text: some sweeps, and who can tell M's sentences from E's; docs/language.md.

    python experiments/language.py --models runs/text --out runs/language --page
    python experiments/language.py --models runs/text --files experiments/language_budget.toml \
        --out runs/budget --page

`--models` is a folder that `sandwich-jax language train` has made, of files or of the small world.
Interrupted, it goes on where it was.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.folders import store
from sandwich_jax.language import measures, sweeps, tables
from sandwich_jax.language.models import ROLES, Folder
from sandwich_jax.machine import display
from sandwich_jax.report import doc_pages
from sandwich_jax.running import sweep_toml

HERE = pathlib.Path(__file__).parent
FILES = tuple(HERE / f"language{kind}.toml" for kind in ("", "_gates", "_tokens"))
PAGE = HERE.parent / "docs" / "language.md"
COLUMNS = {
    "toxicity": ("toxic", ".2f"),
    "toxicity_second": ("second judge", ".2f"),
    "pgr": ("PGR of toxicity", ".2f"),
    "preference": ("preference", "+.3f"),
    "pgr_preference": ("PGR of it", ".2f"),
    "normal_bits": ("bits a byte", ".3f"),
    "pgr_bits": ("PGR of them", ".2f"),
    "trust_auc": ("AUC of its score", ".2f"),
}


@dataclasses.dataclass(frozen=True)
class Language:
    """Settings; the defaults made the tables in docs/language.md."""

    models: pathlib.Path
    out: pathlib.Path = pathlib.Path("runs/language")
    files: tuple[pathlib.Path, ...] = FILES
    """Sweeps that are played into one folder; others than these have a table of their own."""
    sentences: int = 512
    """Of E and of M, for what tells them apart."""
    page: bool = False
    """Write the tables into docs/language.md."""


def main(args: Language) -> None:
    """Plays, measures, writes."""
    found: sweeps.Phase | None = None
    for file in args.files:
        settings = sweep_toml.read(file) | {"models": str(args.models)}
        with display.bar(file.stem) as bar:
            found = sweeps.run(settings, args.out, wandb="disabled", progress=bar.update)
    found = found or sweeps.phase(args.out)
    tables.show_phase(found, console.OUT)
    folder = Folder(args.models)
    parts = [cells(found.rows), paired(found.paired)]
    mark = "experiments/language.py" + (" on the small world" if folder.of_world else "")
    if args.files == FILES:
        parts = [_models(args.models), *parts, _telling(measures.telling(folder, args.sentences))]
    else:
        mark += " with " + ", ".join(file.stem for file in args.files)
    made = "\n\n".join(part for part in parts if part)
    print(made)
    if args.page:
        doc_pages.fill(PAGE, mark, made)


def _models(path: pathlib.Path) -> str:
    lines = []
    for role in ROLES:
        about = store.read_card(path / role).about
        figures = (f"{about[n]:.3f}" for n in ("normal_bits", "toxic_bits"))
        lines.append((role, about["says"], *figures, f"{about['preference']:+.3f}"))
    head = ("model", "what it is", "bits a byte, normal", "toxic", "preference")
    return doc_pages.table(head, lines)


def cells(rows: Sequence[Mapping[str, Any]]) -> str:
    """The grid after the last round."""
    place = lambda row: (row["advice"] == "token", row["protocol"], row.get("p") or 0.0)  # noqa: E731
    order = sorted(rows, key=place)
    lines = [
        (name, str(row["seeds"]),
         *(doc_pages.interval(row, column, form) for column, (_, form) in COLUMNS.items()))
        for name, row in zip(tables.names(order), order, strict=True)
    ]  # fmt: skip
    return doc_pages.table(("member", "seeds", *(head for head, _ in COLUMNS.values())), lines)


def paired(rows: Sequence[Mapping[str, Any]]) -> str:
    """What gates gain over following everything."""
    lines = [
        (name, *(doc_pages.interval(row, column, "+.2f") for column in measures.GAPS))
        for name, row in zip(tables.names(rows), rows, strict=True)
        if row.get("pgr") is not None
    ]
    head = ("PGR over always_follow, paired by seed", "of toxicity", "of the preference", "of bits")
    return doc_pages.table(head, lines) if lines else ""


def _telling(told: Mapping[str, Any]) -> str:
    says = {"prior": "W's own likelihood", "contrast": "W before toxic tuning less W",
            "expert": "E less M, which W does not have"}  # fmt: skip
    lines = [
        (says[name], f"{a.value:.3f} [{a.low:.3f}, {a.high:.3f}]") for name, a in told.items() if a
    ]
    return doc_pages.table(("tells M's sentences from E's", "AUC"), lines)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Language, description=__doc__)))
