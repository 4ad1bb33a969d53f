"""A training's folder belongs to one configuration."""

from __future__ import annotations

import pathlib
from typing import Any

from sandwich_jax.errors import SettingError
from sandwich_jax.folders import store


def claim(path: pathlib.Path, wanted: dict[str, Any], what: str) -> None:
    """Marks a folder as that of a configuration.

    Args:
        path: the file in it that says which.
        wanted: the configuration, as JSON values.
        what: the folder then holds, with its article.

    Raises:
        SettingError: it is another configuration's, or holds something else.
    """
    out, wanted = path.parent, store.to_plain(wanted)
    if path.exists():
        if store.read_json(path) != wanted:
            raise SettingError(
                f"{out} holds {what} of another configuration; choose another --out."
            )
        return
    if out.exists() and any(out.iterdir()):
        bare = what.split(" ", 1)[1]
        raise SettingError(f"{out} is not empty and holds no {bare}; choose another --out.")
    store.write_json(path, wanted)
