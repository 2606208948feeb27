"""Choosing settings by looking and by measure: grids side by side, scores of captions, what is clearly better."""
