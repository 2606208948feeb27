"""Every form that captions are read from, the surest first. A further one is one file and one line here."""

from __future__ import annotations

from captioner.formats.imports.everydream2 import EveryDreamYaml
from captioner.formats.imports.file_names import EveryDreamNames, JoePennaNames
from captioner.formats.imports.form import Form
from captioner.formats.imports.json_sets import CaptionsJson, MetadataJson, PictureList
from captioner.formats.imports.kohya_folders import KohyaFolders
from captioner.formats.imports.rows import Jsonl, Parquet, Table
from captioner.formats.imports.sidecars import Sidecars
from captioner.formats.imports.webdataset import WebDataset

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        CaptionsJson(),  # where it is, diffusion-pipe reads no caption file
        EveryDreamYaml(),  # counts before caption files there
        Sidecars(),
        Jsonl(),
        MetadataJson(),
        PictureList(),
        Table(),
        WebDataset(),
        Parquet(),
        JoePennaNames(),
        EveryDreamNames(),
        KohyaFolders(),
    )
}
"""By name; of two that know captions of as many pictures the first counts."""
