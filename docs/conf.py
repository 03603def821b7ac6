"""Settings of the book; what it adds to Sphinx is in ``course.book.sphinx_ext``."""

import os

project = "The convnet course that always runs"
copyright = "the authors of the convnet course; text CC BY 4.0, code MIT"
author = "the authors of the convnet course"
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "course.book.sphinx_ext",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

# Outputs are those of the stored run, never made again here; nothing comes from a network.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_enable_extensions = ["dollarmath", "amsmath", "smartquotes"]
myst_heading_anchors = 3
# MathJax in parts, because its ready-made bundle has a menu that is heavier than the rest.
mathjax_path = "mathjax/startup.js"
mathjax3_config = {"loader": {"load": ["input/tex", "output/chtml", "a11y/assistive-mml"]}}
# Records and data hashes are outputs that only the tools of the course read.
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
add_module_names = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_favicon = "_static/favicon.svg"
html_use_index = False
html_domain_indices = False
html_show_sphinx = False
html_copy_source = False  # chapters are downloaded as notebooks
html_context = {"default_mode": "auto"}
repository = os.environ.get("GITHUB_REPOSITORY", "")
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    # The bar on top would hold a second search field only.
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "home_page_in_toc": True,
    "repository_url": f"https://github.com/{repository}" if repository else "",
    "use_repository_button": bool(repository),
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
