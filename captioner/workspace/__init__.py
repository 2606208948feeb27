"""A person's work, durable: caption sets with pictures, layers, settings, edits, and a journal to undo and redo.

`store` is the way in (`Workspace`); behind it `edits` (what changes a set), `uploads` (pictures coming in), `views`
(reading), `journal` (undo), `layers` (layers as rows, cache), `database` (opening, transactions), `schema` (tables,
migrations), `files` (pictures on the disk), `checks` (what may be stored), `records` (what is handed out). Knows no
Gradio and no model.
"""

from captioner.workspace.store import Workspace, default_folder

__all__ = ["Workspace", "default_folder"]
