"""Captions and tags for training pictures: models in, durable text out.

The way of the data: a picture file is opened by `images`; `models/*` says a sentence about it and `taggers/*` (the
package beside this one) give scored tags; both are kept as layers (`records`); `compose` turns layers and a recipe
into text, `findings` says what became of each tag; `workspace` keeps layers and a person's edits; `formats` writes
files and zips. `limits` says what may come in from outside, `settings` is the machinery every settings class shares,
`registry` knows the models by name, `manager` keeps them resident, `worker` runs them one step at a time, and
`pipeline` ties these together. `ui` is the page, `__main__` the command line. Importing this package loads
nothing heavy.
"""

__version__ = "0.1.0"
