"""BLIP: a picture in, a sentence out; and its matching head. This face loads no tensor code."""

from captioner.models.blip.captioner import BlipCaptioner
from captioner.models.blip.matcher import BlipMatcher
from captioner.models.blip.settings import PRESETS, SamplingSettings, preset, resolve_q_factor

__all__ = ["PRESETS", "BlipCaptioner", "BlipMatcher", "SamplingSettings", "preset", "resolve_q_factor"]
