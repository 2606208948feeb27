"""Any image-text-to-text model of transformers as a captioner, by hub id or folder; see `captioner` for the class."""

from captioner.models.vision_language.captioner import VisionLanguageCaptioner

__all__ = ["VisionLanguageCaptioner"]
