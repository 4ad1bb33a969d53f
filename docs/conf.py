"""How Sphinx builds the site: `make docs`."""

from importlib import metadata

project = "sandwich_jax"
author = "The sandwich_jax authors"
release = version = metadata.version("sandwich_jax")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "contents"
myst_heading_anchors = 3  # so that pages may link to each other's headings
autodoc_typehints = "none"  # shapes read better in signatures than twice
default_role = "code"
suppress_warnings = ["myst.header"]  # pages that scripts fill in begin at the third level
exclude_patterns = ["phase_diagram/*"]

html_theme = "furo"  # light and dark, and a search that needs no server
html_title = f"sandwich_jax {version}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
