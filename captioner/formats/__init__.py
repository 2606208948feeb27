"""Captions become files that trainers read, and files that lie beside pictures become captions.

`format` says what a format and a target are, `names` what files are called, `targets` are folders and zips, `sidecars`
is the format of one caption file a picture, `existing` reads what a picture brings along. Knows no page, no store and
no model.
"""
