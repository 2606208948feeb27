"""A caption file beside each picture: .txt before .caption, the first that is not blank."""

from __future__ import annotations

from captioner.formats.imports.form import Form, Reading, Row
from captioner.formats.imports.source import CAPTION_SUFFIXES, Source

_NO_CAPTIONS = frozenset(
    (
        *("START.txt", "README.txt", "requirements.txt", "multiply.txt", "cond_dropout.txt", "flip_p.txt"),
        *("batch_id.txt", "loss_scale.txt", "shuffle_tags.txt", "local.txt", "global.txt"),
    )
)
"""Files that lie in sets and are no captions, unless a picture has their name."""


class Sidecars(Form):
    name = "sidecars"
    title = "caption files beside pictures"

    def read(self, source: Source) -> Reading | None:
        if not source.captions:
            return None
        stems = {picture.stem for picture in (*source.pictures, *source.masks)}
        found: dict[str, Row] = {}
        quiet = set()
        for file in (file for suffix in CAPTION_SUFFIXES for file in source.captions if file.suffix == suffix):
            is_quiet = file.name in _NO_CAPTIONS
            if is_quiet and stems and file.stem not in stems:
                continue
            text = source.text(file)
            if text is None or (file.stem in found and (found[file.stem].text.strip() or not text.strip())):
                continue
            found[file.stem] = Row(file.stem, text, file.path, "", True)
            if is_quiet:
                quiet.add(file.path)
        return Reading(self.title, list(found.values()), quiet=frozenset(quiet))
