"""The page: what a person sees and does, on Gradio. The only place beside app.py that knows Gradio.

What a person asks is answered in plain values: sets, edits, bulk changes, undo and export by `desk`, which joins the
others; models and settings to choose from by `offer`; captions as rows by `rows`; the live preview, tags and further
sentences of one picture by `live` (with `details`); "caption all" and preparing models by `jobs`; opened pictures by
`pictures`; files that are settings by `kept_files`. `bulk` changes texts, `recent` remembers what can be made again.

Who asks: `page` lays out, with a file a tab (`*_tab`) and `controls`, which makes controls from settings classes;
`workbench/` is what runs in the browser, its script served by `modules`; `routes` serves pictures, uploads and zips;
`api` is for programs; `guard` keeps the door, `server` and `address` the line.
"""
