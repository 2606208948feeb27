"""BLIP: a picture in, a sentence out. This face re-exports what others name; none of it loads tensor code."""

from captioner.models.blip.captioner import BlipCaptioner
from captioner.models.blip.settings import PRESETS, SamplingSettings, preset, resolve_q_factor

__all__ = ["PRESETS", "BlipCaptioner", "SamplingSettings", "preset", "resolve_q_factor"]
