"""Captions become files that trainers read, and files that lie beside pictures become captions.

`ownership` decides whose file is whose: what may be taken for a picture's caption, and what may be replaced. `earlier`
is a folder's index of what we wrote, `folders` joins both with the disk, `targets` writes files and zips, `names` says
what files are called, `sidecars` is the format of one caption file a picture, `existing` reads what a picture brings
along, `imports` sets that others made, `incoming` what files become that come to a set, `passed_over` what is none of a
set's, and `output` is where a run's captions go. `trainers` says what whole sets look like, one file a trainer,
`set_writer` writes them, `leaving` makes pictures anew that the trainer would read otherwise, `set_output` does so for
a run, and `set_folder` is a folder that is there whole or not at all. `check` says what a trainer would read otherwise,
by the rules of `check_rules`, and `listed` where captions stand that are in no file of their own. `format` and
`checked` hold the records. Knows no page, no store and no model.
"""
