"""Sets as trainers read them: one small file a target, each found by name in `registry`.

`target` is the contract, `quoting` writes what configs hold, `naming` says what pictures are called. How a set gets to
a zip or a folder is in `captioner.formats.set_writer`. Knows no page, no model and no trainer's code.
"""
