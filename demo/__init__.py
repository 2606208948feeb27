"""Drawn scenes whose truth is known, and the demo models trained on them.

world.py names what a scene can hold; scenes.py lays it out; shapes.py and drawing.py draw it; grammar.py words it;
truth.py checks a caption against it; tags.py tags it. train.py runs the stages (cache.py draws, train_tower.py,
train_blip.py, train_clip.py, train_tagger.py) that make the models in assets/demo/; evaluate.py measures them.
"""
