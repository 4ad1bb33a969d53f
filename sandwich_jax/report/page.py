"""The page: one HTML file with its data, styles and scripts inside; it asks nothing of a network.

Whatever comes from a folder goes into the page as JSON, and the scripts put it on the screen as
text. Nothing of it is ever part of the markup.
"""

from __future__ import annotations

import json
import pathlib
from importlib import resources
from typing import Any

from sandwich_jax.folders import store

ASSETS = resources.files("sandwich_jax.report") / "assets"
STYLES = ("vendor.css", "style.css")
SCRIPTS = ("vendor.js", "draw.js", "charts.js", "game.js", "timeline.js", "viewer.js", "page.js")


def html(data: dict[str, Any]) -> str:
    """The whole page around its data."""
    parts = {
        "styles": "\n".join(_asset(name) for name in STYLES),
        "sprite": _asset("vendor.svg"),
        "scripts": "\n".join(_asset(name) for name in SCRIPTS),
        "licences": f"<!--\n{_asset('THIRD_PARTY.txt').replace('--', '- -')}-->",
        "data": embedded(data),
    }
    page = _asset("template.html")
    for name, text in parts.items():
        before, mark, after = page.partition(f"<!-- {name} -->")
        assert mark, f"template.html has no place for {name}"
        page = before + text + after
    return page


def embedded(data: Any) -> str:
    """JSON that can stand in a script element: no character of it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    # Half a surrogate pair, as damaged text may hold, is no UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


def write(path: pathlib.Path, data: dict[str, Any]) -> None:
    """Writes the page, whole or not at all."""
    store.write_text(path, html(data))


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
