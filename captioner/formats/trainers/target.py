"""What an export target is: the contract that each trainer's file fills, and the records it is asked with.

A target says where pictures lie, how a caption is written, which config the trainer starts with and what a person must
do. It never touches the disk: `captioner.formats.set_writer` does.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from captioner.errors import ExportError
from captioner.formats.sidecars import caption_text
from captioner.formats.targets import Sink
from captioner.limits import MAX_PATH_LENGTH
from captioner.settings import Settings, choice, switch, whole, words

BASE_MODELS: Mapping[str, str] = {
    "sdxl": "SDXL",
    "sd15": "SD 1.5",
    "sd35": "SD 3.5",
    "flux1": "FLUX.1",
    "qwen-image": "Qwen-Image",
    "other": "another model",
}
"""Models that sets are trained on, by the words of the command line."""
ENCODER_OF_MODEL: Mapping[str, str] = {
    "sdxl": "clip",
    "sd15": "clip",
    "sd35": "t5",
    "flux1": "t5",
    "qwen-image": "qwen",
}
"""The text encoder whose tokens trainers cut a caption by, where that is known."""


_CONVERTED = ("conversion", ("needed", "all"))
MANY_FIELDS = ("captions", "best_captions")
"""The settings of what a picture's captions are, which targets heed that can take several."""
CONVERSION_FIELDS = ("conversion", "longest_edge", "picture_type", "picture_quality")
"""The settings of how pictures leave, which every target heeds that takes pictures along."""
PILLOW_TYPES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif"),
        *(".bmp", ".dib", ".gif", ".tif", ".tiff"),
    )
)
"""What a trainer reads that opens whatever Pillow opens by itself."""


class SetSettings(Settings):
    """What a person says of a set that leaves for a trainer."""

    @property
    def has_many(self) -> bool:
        """Whether a picture may get several captions."""
        return self.captions in ("parts", "best", "kinds")

    base_model: str = choice(
        "sdxl",
        tuple(BASE_MODELS),
        "The model that will be trained. Where none is named, a trainer without SDXL takes its own first one.",
    )
    repeats: int = whole(
        1, 1, 10_000, "How often each picture is taken in an epoch. Folders called `10_cat` keep their own number."
    )
    trigger_word: str = words(
        "",
        "The word that the set teaches, for trainers that ask for it. It is not written into captions; the prefix is.",
        max_length=200,
    )
    set_folder: str = words(
        "",
        "The folder where the set will lie when it is trained, since configs name it. Empty: the output folder, or for "
        "a zip a placeholder that START.txt names.",
        max_length=MAX_PATH_LENGTH,
        label="Folder where it will lie",
    )
    captions: str = choice(
        "one",
        ("one", "sentence", "tags", "parts", "best", "kinds"),
        "Which captions each picture gets. `sentence`, `tags`: that part alone. `parts`: both, and each alone. `best`: "
        "the best sentences that the captioner found, each with the tags. `kinds`: those of every kind that the set "
        "has. Of several the trainer takes one at a time; what a person wrote is one.",
        label="Captions a picture",
    )
    best_captions: int = whole(
        3, 2, 10, "How many captions at most a picture gets under best.", only_when=("captions", ("best",))
    )
    with_pictures: bool = switch(
        True, "Put the pictures beside their captions; no picture is ever replaced.", label="With pictures"
    )
    conversion: str = choice(
        "needed",
        ("needed", "none", "all"),
        "Which pictures are made anew. `needed`: those that the trainer would train lying, since it does not heed "
        "their EXIF tag, and those of a type it does not read. `all`: every picture upright, in sRGB, transparency on "
        "white. `none`: all leave as they came. A picture that needs nothing keeps its bytes.",
        label="Convert pictures",
    )
    longest_edge: int = whole(
        0,
        0,
        16_000,
        "Make pictures smaller whose longer side is over this; 0 keeps all sizes.",
        step=64,
        unit="px",
        only_when=_CONVERTED,
    )
    picture_type: str = choice(
        "same",
        ("same", "png", "jpeg", "webp"),
        "What a picture that is made anew is saved as. `same`: JPEG, PNG and WebP stay, others become PNG.",
        only_when=_CONVERTED,
    )
    picture_quality: int = whole(95, 1, 100, "How good JPEG and WebP are that are made anew.", only_when=_CONVERTED)


_PLAIN_SUFFIXES = {".jfif": ".jpg", ".jpe": ".jpg", ".mpo": ".jpg", ".apng": ".png", ".dib": ".bmp"}


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """A folder of pictures in a set. folder: from the set's top. repeats: how often each is taken. count: pictures."""

    folder: str
    repeats: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A picture of a set as lists name it. picture: its path from the set's top. text: its caption. others: more.

    kinds: its captions of other kinds, by what the kind is called.
    """

    picture: str
    text: str
    others: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """All its captions, the first one first."""
        return [self.text, *self.others]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSet:
    """A set whose pictures and captions are written, of which its config is made.

    folder: where it will lie. is_placeholder: nobody said where.
    """

    name: str
    settings: SetSettings
    folder: str
    is_placeholder: bool = False
    folders: tuple[PictureFolder, ...] = ()
    rows: tuple[Row, ...] = ()

    def path(self, *names: str) -> str:
        """Where something of the set will lie, in the spelling of the folder's system."""
        is_windows = "\\" in self.folder and "/" not in self.folder
        top = self.folder.rstrip("\\/") or self.folder[:1].replace("\\", "/")
        below = "/".join(name for name in names if name)
        joined = f"{top}/{below}" if below and not top.endswith("/") else top + below
        return joined.replace("/", "\\") if is_windows else joined

    @property
    def most_captions(self) -> int:
        """How many captions the picture has that has the most."""
        return max((len(row.texts) for row in self.rows), default=1)

    @property
    def kinds(self) -> list[str]:
        """The kinds that some picture has a caption of, beside that of all; each is a column of a list."""
        return sorted({kind for row in self.rows for kind in row.kinds})

    @property
    def suffixes(self) -> Counter[str]:
        """How many pictures have which suffix."""
        return Counter("." + row.picture.rpartition(".")[2] for row in self.rows)


class Packer:
    """Puts pictures and caption files into a set, one by one. `close` at the end."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def put(self, picture: str, source: Path | bytes | None, caption: str, data: bytes) -> None:
        """The picture first, so that a caption file is never there without the picture it belongs to.

        Args: picture, caption: names in the set; "" for a caption without a file. source: None leaves the picture out.
        """
        if source is not None:
            self.sink.copy(picture, source)
        if caption:
            self.sink.write(caption, data)

    def close(self) -> None:
        """Finish what is open."""

    def abandon(self) -> None:
        """Let go of what is open, since the set is thrown away."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture on its way into a set. stem: its own name's. number: its place, from 1."""

    stem: str
    number: int


class Target:
    """A trainer, or a plain list of captions. Class attributes state the rules; methods make what depends on the set.

    suffix: of the caption file beside each picture, "" for none. empty: its bytes for an empty caption. keeps_lines: a
    caption may have several lines; else they become one. many: how several captions of a picture are written, as the
    lines of its file or in a list that `files` makes; "" where there is one. changes: what becomes of captions that
    the target cannot take as they are. is_trainer: the set gets START.txt. reads: suffixes of pictures that it finds.
    turns: it turns pictures as their EXIF tag says, None for nobody knows. reads_frames: it takes the first frame of
    an animated picture. forms: how captions may be stored that it reads, as `imports` calls the forms; the first that
    knows a picture counts. Files beside pictures are among all, since an export takes them from there. heeds: the
    settings that change something. forbidden: what a path must not hold, each with the reason.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    other_names: ClassVar[tuple[str, ...]] = ()
    is_trainer: ClassVar[bool] = True
    suffix: ClassVar[str] = ".txt"
    empty: ClassVar[bytes] = b""
    keeps_lines: ClassVar[bool] = False
    many: ClassVar[Literal["", "lines", "list"]] = ""
    changes: ClassVar[str] = "their lines were joined into one"
    base_models: ClassVar[tuple[str, ...]] = tuple(BASE_MODELS)
    reads: ClassVar[frozenset[str]] = PILLOW_TYPES
    turns: ClassVar[bool | None] = True
    reads_frames: ClassVar[bool] = True
    forms: ClassVar[tuple[str, ...]] = ("sidecars",)
    heeds: ClassVar[tuple[str, ...]] = ("base_model", "repeats", "set_folder", "with_pictures", *CONVERSION_FIELDS)
    forbidden: ClassVar[Mapping[str, str]] = {}
    picture_folder: ClassVar[str] = "img"

    def check(self, settings: SetSettings, folder: str) -> None:
        """Args: folder: where the set will lie. Raises: ExportError: the trainer could not read a set there."""
        if settings.base_model not in self.base_models:
            known = ", ".join(self.base_models)
            raise ExportError(f"{self.title} does not train {BASE_MODELS[settings.base_model]}; it trains {known}.")
        if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in folder):
            raise ExportError(f"The folder {folder!r} has a line break or a control character in it; name another.")
        if folder.startswith("~"):
            raise ExportError(
                f"The folder {folder} begins with ~, which trainers do not replace; write the whole path."
            )
        for text, reason in self.forbidden.items():
            if text in folder:
                raise ExportError(f"The folder {folder} has {text} in it, and {reason}; name another.")

    def check_installed(self) -> None:
        """Raises: MissingPackage: a package that the target writes with is not here."""

    def folder_name(self, folder: str, repeats: int, *, set_name: str) -> str:
        """What a folder of the set is called among its pictures; "" lies right in `picture_folder`.

        Args: folder: as the person's pictures lie, "" at their top. repeats: of its pictures.
        """
        return folder.replace("/", "_")

    def takes_kind(self, kind: str) -> bool:
        """Whether a caption of another kind than the set's has a place of its own beside it."""
        return False

    def stem(self, stem: str) -> str:
        """The stem that a picture gets, where its own would mean something else to the trainer."""
        return stem

    def file_stem(self, wanted: Wanted, text: str) -> str:
        """The stem that a picture is written under, of its stem and its caption. Those of one folder must differ."""
        return wanted.stem

    def picture_suffix(self, suffix: str) -> str:
        """A picture's suffix, in lower case, as the trainer looks for it."""
        return _PLAIN_SUFFIXES.get(suffix, suffix)

    def text(self, text: str) -> str:
        """A caption as the set holds it: what no reader takes for a line break is none, lines become one if need be."""
        clean = caption_text(text)
        return clean if self.keeps_lines else " ".join(line.strip() for line in clean.split("\n") if line.strip())

    def sidecar(self, text: str) -> bytes:
        """The bytes of a caption file. Args: text: as `text` gives it."""
        return text.encode() or self.empty

    def packer(self, sink: Sink) -> Packer:
        """What puts the pictures into a set."""
        return Packer(sink)

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        """Configs and lists, by name from the set's top; none lies among pictures unless the reader looks there."""
        return {}

    def start(self, made: MadeSet) -> Sequence[str]:
        """The lines of START.txt that say how training starts."""
        return ()
