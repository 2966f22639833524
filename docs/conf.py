"""How Sphinx makes the site of the documentation, which `.ci/documentation.py` gives it."""

from importlib.metadata import version as version_of
from pathlib import Path

project = "Tocsin"
author = "The authors of Tocsin"
release = version = version_of("tocsin")
extensions = ["myst_parser", "sphinx_copybutton", "sphinxcontrib.mermaid"]
exclude_patterns: list[str] = []

mermaid_use_local = f"{sorted(path.name for path in (Path(__file__).parents[1] / 'build/mermaid').iterdir())[-1]}/mermaid.esm.min.mjs"
mermaid_fullscreen = False
mermaid_height = "auto"
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4
myst_enable_extensions = ["strikethrough"]
myst_links_external_new_tab = False
highlight_language = "none"
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]  # colours alone

html_theme = "furo"
html_title = f"Tocsin {release}"
html_static_path = ["_static", "../build/mermaid"]
html_css_files = ["tocsin.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#9a3412", "color-brand-content": "#9a3412", "color-brand-visited": "#7c2d12"},
    "dark_css_variables": {"color-brand-primary": "#fdba74", "color-brand-content": "#fdba74", "color-brand-visited": "#fed7aa"},
}
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = False
