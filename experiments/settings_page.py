"""docs/settings.md: every setting, as it is declared.

    python experiments/settings_page.py

A test compares the page with what is declared.
"""

from __future__ import annotations

import pathlib

from sandwich_jax import catalogue
from sandwich_jax.language import config as text
from sandwich_jax.language.protocols import PROTOCOLS, settings_of
from sandwich_jax.language.train_settings import TrainConfig
from sandwich_jax.language.tuning import TuneConfig
from sandwich_jax.report import doc_pages
from sandwich_jax.settings import declared

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "settings.md"
PARTS = ("misalignment", "schedule", "protocol", "objective")


def made() -> str:
    """What stands between the page's marks."""
    lines = ["## Of every run", "", *catalogue.table_of_runs()]
    for part in PARTS:
        lines += ["", f"## Of a {part}".replace("a o", "an o"), ""]
        lines += catalogue.table_of_kinds(part)
    lines += ["", "## Of a run on text", "", *catalogue.table_of(text.core())]
    own = {n: s for name in PROTOCOLS for n, s in declared(settings_of(name)).items()}
    lines += ["", "## Of a protocol for sentences", "", *catalogue.table_of(own)]
    lines += ["", "## Of a training of text models", "", *catalogue.table_of(declared(TrainConfig))]
    lines += ["", "## Of a tuning of text models", "", *catalogue.table_of(declared(TuneConfig))]
    return "\n".join(lines)


def main() -> None:
    """Writes the page."""
    doc_pages.fill(PAGE, "experiments/settings_page.py", made())


if __name__ == "__main__":
    main()
