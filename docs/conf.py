"""The documentation site: `make docs` writes it to site/, without network; a warning fails it."""

project = "corpus_gov"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["conf.py"]
nitpicky = False
# Links to a heading are checked; four levels of them can be linked to.
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# A reader's browser fetches nothing from elsewhere: furo brings what it needs.
html_theme = "furo"
html_title = "corpus_gov"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_extra_path = ["verify_ledger.py", "verify_manifest.py"]
