"""docs/protocols.md names every protocol and the settings that it declares."""

import pathlib
import re

from sandwich_jax.oversight import protocols
from sandwich_jax.settings import declared

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "protocols.md").read_text()


def test_the_page_names_every_protocol_and_every_setting_that_it_uses():
    first_table = PAGE[: PAGE.index("\n## ")]
    rows = {m[1]: m[0] for m in re.finditer(r"^\| `(\w+)` \|.*$", first_table, re.M)}
    for name in protocols.PROTOCOLS:
        about = rows[name].split("|")[-2]
        told = set(re.findall(r"`(\w+)`", about))
        assert told == set(declared(protocols.settings_of(name))), name
