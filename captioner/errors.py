"""Everything a person can cause or mend, as errors: what happened, the value, the next step.

Bugs are not here: they propagate as what they are. Knows no other module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CaptionerError(Exception):
    """Something a person can mend; `str(error)` is one sentence fit to be shown as it is.

    Args:
        message: what happened, with which value, and what to do.
        code: a short stable word for programs (the command line's `--json`, the HTTP API).
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class SettingsError(CaptionerError):
    """A setting with an unknown name, a wrong type or a value outside its range."""

    code = "bad_setting"


class BadPicture(CaptionerError):
    """A file that is not a picture we can open; `code` says which way (see `captioner.images`)."""

    code = "bad_picture"


class ModelNotFound(CaptionerError):
    """A model name nobody knows, a folder that is not a model, or weights that are not on this machine."""

    code = "model_not_found"


class BadModel(CaptionerError):
    """A model's files are there but damaged, incomplete, or in a format that is refused (pickles)."""

    code = "bad_model"


class BadVocabulary(CaptionerError):
    """A word list for CLIP that is not UTF-8 text, has no label or has too many."""

    code = "bad_vocabulary"


class MissingPackage(CaptionerError):
    """A Python package that a model needs is not installed; the message names the pip command."""

    code = "missing_package"


class ModelFailed(CaptionerError):
    """A model ran and gave nothing usable for this picture (out of memory at batch size one, NaN scores)."""

    code = "model_failed"


class SomeFailed(ModelFailed):
    """Of several pictures that were asked about at once some gave nothing: asking all again would cost the others.

    answers: in order, what a picture gave, or why it gave nothing.
    """

    def __init__(self, answers: Sequence[Any]) -> None:
        super().__init__(next(str(one) for one in answers if isinstance(one, CaptionerError)))
        self.answers = answers


class OutOfMemory(ModelFailed):
    """The device has no memory left for even one picture."""

    code = "out_of_memory"


class CardLost(CaptionerError):
    """The graphics card fails at everything until the process ends."""

    code = "card_lost"


class Superseded(CaptionerError):
    """Whoever asked has asked anew before it was this question's turn."""

    code = "superseded"


class StoreError(CaptionerError):
    """The workspace cannot be opened, read or written (locked by another process, disk full, unknown set)."""

    code = "store"


class UnknownSet(StoreError):
    """No caption set has this id."""

    code = "unknown_set"


class UnknownPicture(StoreError):
    """The set has no picture with this id (it may have been removed)."""

    code = "unknown_picture"


class UnknownSweep(StoreError):
    """The set has no sweep with this id (it may have been deleted)."""

    code = "unknown_sweep"


class ExportError(CaptionerError):
    """The captions cannot be written where they should go."""

    code = "export"


class FileInTheWay(CaptionerError):
    """A file that is not ours, or was changed since, lies where a picture's file should go; it was left as it is."""

    code = "file_in_the_way"
