"""Pages that a script fills in."""

from sandwich_jax.outside import pages


def test_what_stands_outside_the_marks_is_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nIntroduction.\n")
    pages.fill(page, "a.py", "first")
    pages.fill(page, "b.py", "other")
    page.write_text(page.read_text() + "\nLast words.\n")
    pages.fill(page, "a.py", "second")
    text = page.read_text()
    assert text.startswith("# Title\n\nIntroduction.\n") and text.endswith("\nLast words.\n")
    assert "first" not in text and text.index("second") < text.index("other")
    pages.fill(page, "a.py", "second")
    assert page.read_text() == text


def test_tables_and_intervals():
    row = {"x": 0.5, "x_lo": 0.25, "x_hi": 0.75, "y": None}
    assert pages.interval(row, "x", ".2f") == "0.50 [0.25, 0.75]"
    assert pages.interval(row, "y", ".2f") == "undefined"
    assert pages.table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
