"""Sphinx settings; every warning fails the build."""

from affectome import __version__

project = "Affectome"
author = "The Affectome authors"
copyright = "The Affectome authors"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"Affectome {__version__}"
