"""The captioners: one file a model family, with its tensor code in siblings that only `load` imports."""
