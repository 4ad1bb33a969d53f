"""Makes docs/commands.md out of what verbs declare: python -m scripts.command_pages.

A test compares the two.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pathlib
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

from sandwich_jax import cli
from sandwich_jax.cli import options

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "commands.md"
HEAD = """# The command line

`sandwich-jax VERB --help` shows the same in a terminal. Settings of a run are in
[settings.md](settings.md); names there are spelled with dashes here (`--max-plies`).
"""


def text() -> str:
    """What the page should hold."""
    rows = [f"| [{name}](#{name}) | {says} |" for name, says in cli.VERBS.items()]
    parts = [HEAD, "\n".join(["| verb | what it does |", "| --- | --- |", *rows])]
    return "\n".join([*parts, *(_verb(name) for name in cli.VERBS)])


def _verb(name: str) -> str:
    own = name.replace("-", "_")
    kind = getattr(
        importlib.import_module(f"sandwich_jax.cli.{own}"), name.title().replace("-", "")
    )
    lines = [f"\n## {name}\n", inspect.getdoc(kind) or "", ""]
    if hasattr(kind, "of"):
        groups = ", ".join(f"`{group}`" for group in options.GROUPS)
        lines += [f"Beside these, the settings of a run, in the groups {groups}.", ""]
    lines += ["| setting | default | what it is |", "| --- | --- | --- |"]
    lines += [f"| {spelled} | {default} | {says} |" for spelled, default, says in _rows(kind)]
    return "\n".join(lines)


def _rows(kind: type, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    says, hints = _docs(kind), typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        marks, bare = _marks(hint), _bare(hint)
        spelled = field.name.replace("_", "-")
        if dataclasses.is_dataclass(bare):
            omitted = any("OmitArgPrefixes" in mark for mark in marks)
            yield from _rows(bare, prefix if omitted else f"{prefix}{spelled}.")  # pyright: ignore
            continue
        positional = any("Positional" in mark for mark in marks)
        name = field.name.upper() if positional else f"--{prefix}{spelled}"
        choices = _choices(bare)
        told = " ".join(part for part in (says.get(field.name, ""), choices) if part)
        yield f"`{name}`", _default(field), told.replace("|", "\\|")


def _marks(hint: Any) -> list[str]:
    return [repr(mark) for mark in getattr(hint, "__metadata__", ())]


def _bare(hint: Any) -> Any:
    return hint.__origin__ if hasattr(hint, "__metadata__") else hint


def _choices(kind: Any) -> str:
    parts = [kind, *typing.get_args(kind)]
    words = next((typing.get_args(p) for p in parts if typing.get_origin(p) is typing.Literal), ())
    return f"One of {', '.join(words)}." if words else ""


def _default(field: dataclasses.Field) -> str:
    if field.default is dataclasses.MISSING:
        return "must be given"
    value = field.default
    if value is None or value == () or value == "":
        return ""
    if isinstance(value, tuple):
        return f"`{' '.join(map(str, value))}`"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"`{value}`"


def _docs(kind: type) -> dict[str, str]:
    """What stands below each field."""
    found: dict[str, str] = {}
    for one in reversed([k for k in kind.__mro__ if dataclasses.is_dataclass(k)]):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                told = ast.literal_eval(below.value)
                found[field.target.id] = " ".join(told.split())  # pyright: ignore
    return found


def main() -> None:
    """Writes the page."""
    PAGE.write_text(text() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
