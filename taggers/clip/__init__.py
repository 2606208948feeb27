"""CLIP interrogation: the words of each vocabulary that fit a picture best. This face loads nothing heavy."""

from taggers.clip.ranking import STORED_LABELS
from taggers.clip.settings import ClipSettings
from taggers.clip.tagger import ClipTagger

__all__ = ["STORED_LABELS", "ClipSettings", "ClipTagger"]
