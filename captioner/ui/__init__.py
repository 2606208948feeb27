"""The page: what a person sees and does, on Gradio. The only place beside app.py that knows Gradio.

`desk` answers every question the page asks, in plain values; `routes` serves pictures, uploads and zips and guards the
door; `page` lays out; `controls` makes controls from settings classes; `workbench/` is what runs in the browser.
"""
