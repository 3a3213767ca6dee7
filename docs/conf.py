"""The documentation: `make docs`."""

project_copyright = "the authors of rxdag, MIT licence"
project = "rxdag"
author = "the authors of rxdag"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
# Words of the console that Pygments has no lexer for are shown as they stand.
suppress_warnings = ["misc.highlighting_failure"]
nitpicky = True

html_theme = "furo"
html_title = "rxdag"
html_copy_source = False
