"""The way back in: sets that other programs made, or an export of ours, become captions by picture.

`source` is what was named (files, folders, zips, shards; `archives` takes zips and tars for hostile), `text` decodes,
`lists` parses files that list captions, `form` is the contract that each form's file fills, `registry` names them all,
`matching` says which picture a row means, and `recognise` joins these: what it is, how many, what has no partner. A set
is known by its content; a name counts only where it is what pairs a picture with its caption. Pure but for reading.
"""
