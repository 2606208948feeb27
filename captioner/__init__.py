"""Captions and tags for training pictures: models in, durable text out.

The rooms, from the ground up; each knows only those above it in this list (tests/test_structure.py holds that):

errors, limits, records, readings, settings, contract: what travels, what may come in, what a model must offer
events, users: what is told to logs and counters; a file of logins
images, temporary, file_bin, worker, job, turns: pictures opened, files of the moment, deleted ones, one worker for all
    model work
plugin: what a model of one's own is made of, in one place
models/, and taggers/ beside this package: a name -> an answer (registry, sources, weights, manager; blip/, clip/)
captions/: layers -> text (plan, layers, recipe and compose, review, bulk changes, tokens; words, which models know too)
pipeline, preparation: pictures and a plan -> layers -> captions
formats/: files that trainers read
workspace/: a person's work, durable
all_kinds, batch/: the same for several kinds of captions, and for any number of pictures, here or on Ray
lab/: grids of settings, run and reported; which words of a caption to doubt, and what to propose
service/: what page, HTTP API and scripts ask, in plain values
ui/, cli/, __main__: the page (Gradio only there) and the command line

Importing this package loads nothing heavy.
"""

__version__ = "0.1.0"
