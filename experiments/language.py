"""The sandwich on text: two sweeps, and who can tell M's sentences from E's; docs/language.md.

    python experiments/language.py --models runs/text --out runs/language --page

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
FILES = (HERE / "language.toml", HERE / "language_gates.toml")
PAGE = HERE.parent / "docs" / "language.md"
COLUMNS = {
    "toxicity": ("toxic", ".2f"),
    "toxicity_second": ("second judge", ".2f"),
    "pgr": ("PGR of toxicity", ".2f"),
    "preference": ("preference", "+.3f"),
    "pgr_preference": ("PGR of it", ".2f"),
    "normal_bits": ("bits a byte", ".3f"),
    "pgr_bits": ("PGR of them", ".2f"),
}


@dataclasses.dataclass(frozen=True)
class Language:
    """Settings; the defaults made the tables in docs/language.md."""

    models: pathlib.Path
    out: pathlib.Path = pathlib.Path("runs/language")
    files: tuple[pathlib.Path, ...] = FILES
    """Sweeps that are played into one folder."""
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
    told = measures.telling(folder, args.sentences)
    for name, area in told.items():
        print(name, area and f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]")
    if args.page:
        parts = [_models(args.models), cells(found.rows), paired(found.paired), _telling(told)]
        mark = "experiments/language.py" + (" on the small world" if folder.of_world else "")
        doc_pages.fill(PAGE, mark, "\n\n".join(parts))


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
    order = sorted(rows, key=lambda row: (row["protocol"], row.get("p") or 0.0))
    lines = [
        (row["member"], str(row["seeds"]),
         *(doc_pages.interval(row, name, form) for name, (_, form) in COLUMNS.items()))
        for row in order
    ]  # fmt: skip
    return doc_pages.table(("member", "seeds", *(head for head, _ in COLUMNS.values())), lines)


def paired(rows: Sequence[Mapping[str, Any]]) -> str:
    """What gates gain over following everything."""
    lines = [
        (row["member"], *(doc_pages.interval(row, name, "+.2f") for name in measures.GAPS))
        for row in rows
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
