"""The page: what a person sees and does, on Gradio. The only place beside app.py that knows Gradio.

What is asked is answered by `captioner.service`, in plain values. Who asks: `page` lays out, with a file a tab
(`*_tab`) and `controls`, which makes controls from settings classes; `script_functions` are what the script may call,
`asked` checks their requests; `workbench/` is what runs in the browser, its script served by `modules`; `routes` serves
pictures, uploads and zips; `api` is for programs. `guard` keeps the door, by the list of `passages`, the `login`, what
`bodies` may hold, what calls may name (`callables`) and the `policies` of answers; `lanes` keep who waits from keeping
others waiting; `server` and `address` keep the line, `plain_output` what is written to a terminal.
"""
