"""docs/protocols.md: its example works as it stands, and it names every protocol and setting."""

import pathlib
import re
import types

import numpy as np
import pytest
from protocol_games import play, same_games

from sandwich_jax.members import Config
from sandwich_jax.oversight import protocols

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "protocols.md").read_text()


@pytest.fixture(scope="module")
def extended():
    """oversight/protocols.py with the page's two pieces written into it: no other file changes."""
    block = re.search(r"```python\n(.*?)```", PAGE, re.S)
    line = re.search(r'in `PROTOCOLS`: `(".*?,)`', PAGE)
    assert block and line
    assert len([text for text in block[1].splitlines() if text.strip()]) <= 10
    source = pathlib.Path(protocols.__file__).read_text()
    begin = source.index("PROTOCOLS: Mapping[")
    source = source[:begin] + block[1] + "\n\n" + source[begin:]
    first = '    "always_follow": always_follow,\n'
    assert source.count(first) == 1
    source = source.replace(first, f"{first}    {line[1]}\n")
    module = types.ModuleType("extended")
    exec(compile(source, "protocols.py", "exec"), vars(module))
    return module


def test_the_worked_example_is_a_protocol_like_any_other(extended, monkeypatch):
    desperate = extended.make("desperate")
    follows, _ = play(desperate, 3, p=0.4, delta=-2.0)  # every value is below 2
    same_games(follows, play("always_follow", 3, p=0.4)[0])
    refuses, _ = play(desperate, 3, p=0.4, delta=1.0)  # and none below -1
    same_games(refuses, play("never_ask", 3, p=0.4)[0])
    some, _ = play(desperate, 3, p=0.4, delta=0.05)
    assert 0 < some.followed.sum() < some.asked.sum()
    np.testing.assert_array_equal(some.moves[some.followed], some.advice[some.followed])

    monkeypatch.setattr(protocols, "PROTOCOLS", extended.PROTOCOLS)
    assert Config(protocol="desperate", delta=0.3).protocol == "desperate"


def test_the_page_names_every_protocol_and_every_setting_that_it_uses():
    first_table = PAGE[: PAGE.index("\n## ")]
    rows = {m[1]: m[0] for m in re.finditer(r"^\| `(\w+)` \|.*$", first_table, re.M)}
    for name in protocols.PROTOCOLS:
        about = rows[name].split("|")[-2]
        told = set(re.findall(r"`(\w+)`", about))
        assert told == set(protocols.make(name).uses), name
