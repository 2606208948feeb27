"""A person's work, durable: caption sets with pictures, layers, settings, edits, and a journal to undo and redo.

`store` is the way in (`Workspace`); behind it `edits` (what changes a set), `uploads` (pictures coming in), `deletion`
(sets that go for good), `lab` (sweeps, ratings), `views` (reading), `journal` (undo), `layers` (layers as rows,
cache), `database` (opening, transactions), `ground` (its files being taken away), `schema` (tables, migrations),
`checksums` (damage on the disk), `disk` (errors), `lock` (one process), `files` (pictures on the disk), `folder` (where
it lies), `checks` (what may be stored), `records` (what is handed out). Knows no Gradio and no model.
"""

from captioner.workspace.store import Workspace

__all__ = ["Workspace"]
