"""A sweep's file, from the disk to settings."""

from __future__ import annotations

import pathlib
import tomllib
from typing import Any

from sandwich_jax.errors import SettingError
from sandwich_jax.training import text_files


def read(path: pathlib.Path) -> dict[str, Any]:
    """The settings in a sweep file.

    Raises:
        SettingError: it is missing or not TOML.
    """
    try:
        return tomllib.loads(text_files.read_text(path))
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path} is not TOML ({error}).") from error
