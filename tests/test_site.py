"""The documentation as a site: built strictly, and as the code has it."""

import pytest
from test_docs import ROOT

from scripts import command_pages


def test_the_page_of_commands_is_what_verbs_declare():
    page = (ROOT / "docs" / "commands.md").read_text()
    assert page == command_pages.text() + "\n", "run python -m scripts.command_pages"


def test_the_site_is_built_without_a_warning(tmp_path, capfd):
    """Of a dead link, a heading that there is not, or a page that nothing leads to."""
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[docs]'")
    from sphinx.cmd.build import build_main

    status = build_main(["-W", "--keep-going", "-q", str(ROOT / "docs"), str(tmp_path / "site")])
    assert status == 0, capfd.readouterr().err
    site = tmp_path / "site"
    assert (site / "search.html").is_file() and (site / "tour.html").is_file()
    # The build sees to links, and not to what a page writes as HTML.
    for found in site.rglob("*.html"):
        for part in found.read_text().split("<img ")[1:]:
            source = part.split('src="')[1].split('"')[0]
            assert (found.parent / source).is_file(), f"{found.name} shows {source}"
    page = (site / "python.html").read_text()
    assert "sandwich_jax.running.interactive.run" in page
    assert "theme-toggle" in page  # light and dark
    assert "https://" not in "".join(
        part.split(">")[0] for part in page.split("<script")[1:] if "src=" in part.split(">")[0]
    )


def test_the_readme_is_short_and_begins_with_a_picture():
    text = (ROOT / "README.md").read_text()
    lines = text.splitlines()
    assert len(text.split()) <= 900
    assert "<picture>" in lines[:30]
    pictures = [part.split('"')[0] for part in text.split('src="')[1:]]
    pictures += [part.split('"')[0] for part in text.split('srcset="')[1:]]
    assert len(pictures) == 2 and all((ROOT / place).is_file() for place in pictures)
