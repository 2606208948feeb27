"""Layers become text: recipes, composing, reviewing, bulk changes, tokens. Pure: runs no model, opens no file."""
