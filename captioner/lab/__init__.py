"""Choosing settings: one picture under many settings, side by side."""
