"""CLIP interrogation: the words of each vocabulary that fit a picture best. This face loads nothing heavy."""

from taggers.clip.ranking import STORED_LABELS
from taggers.clip.tagger import ClipSettings, ClipTagger

__all__ = ["STORED_LABELS", "ClipSettings", "ClipTagger"]
