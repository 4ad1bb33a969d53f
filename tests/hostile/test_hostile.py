"""Seeded hostile input: a share of every kind here, all of it among the slow tests."""

import pytest

from hostile.common import kinds, tally

KINDS = kinds()


@pytest.mark.parametrize("name", KINDS)
def test_a_share_does_no_harm(name):
    module = KINDS[name]
    done = tally(module, module.cases(1, module.SHARE))
    assert not done.harm, "\n\n".join(done.harm[:5])
    assert done.inputs == module.SHARE


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_none_does_harm(name):
    module = KINDS[name]
    done = tally(module, module.cases(0, module.COUNT))
    assert not done.harm, "\n\n".join(done.harm[:5])
    assert done.inputs == module.COUNT
