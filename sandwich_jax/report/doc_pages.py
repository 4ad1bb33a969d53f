"""Pages of documentation that a script fills in between two marks."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from sandwich_jax.folders import store


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [head, ("---",) * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def interval(row: Mapping[str, Any], name: str, form: str) -> str:
    """A figure of a row with its ends, each in the format `form`; "undefined" where it is None."""
    if row.get(name) is None:
        return "undefined"
    value, low, high = (row[key] for key in (name, f"{name}_lo", f"{name}_hi"))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def played(folder: pathlib.Path) -> str:
    """What was played in a sweep's folder, over one p, and with which versions."""
    about = store.read_json(folder / "manifest.json")
    s, versions = about["sweep"], about["versions"]
    seeds = s["seeds"] if isinstance(s["seeds"], list) else list(range(s["seeds"]))
    return (
        f"p = {s['p'][0]:g}, seeds {', '.join(map(str, seeds))}; {s['rounds']} rounds of"
        f" {s['games']} games and {s['updates']} updates, matches of"
        f" {2 * s['final_openings']} games (JAX {versions['jax']}, commit {about['commit']})"
    )


def fill(page: pathlib.Path, script: str, made: str) -> None:
    """Writes `made` between the marks of a script; what stands outside them is kept."""
    begin, end = f"<!-- made by {script} -->", f"<!-- end of {script} -->"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{begin}\n{end}\n"
    if begin not in text or end not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    store.write_text(page, f"{before}{begin}\n\n{made}\n\n{end}{after}")
