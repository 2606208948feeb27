"""The page: what a person sees and does, on Gradio. The only place beside app.py that knows Gradio.

What a person asks is answered in plain values: sets, edits, bulk changes, undo and export by `service`, which joins the
others; models and settings to choose from by `choices`; captions as rows by `rows`; the live preview, tags and further
sentences of one picture by `live` (with `details`); "caption all" and preparing models by `jobs`; opened pictures by
`pictures`; files that are settings by `kept_files`. `bulk` changes texts, `recent` remembers what can be made again.

Who asks: `page` lays out, with a file a tab (`*_tab`) and `controls`, which makes controls from settings classes;
`workbench/` is what runs in the browser; `routes` serves pictures, uploads and zips; `api` is for programs; `guard`
keeps the door, by the list of `passages`, the `login`, what `bodies` may hold and the `policies` of answers; `server`
and `address` keep the line, `plain_output` what is written to a terminal.
"""
