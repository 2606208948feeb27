"""TIFF and BigTIFF: the first directory, and those with Exif and GPS data that it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from captioner.images.headers.base import Header, Truncated, check_count, check_pixels
from captioner.images.headers.directories import RATIONALS, Tag, TagFile

_MAX_TAGS = 4_000  # real files have 20 to 200
# A strip for each row and colour of the longest picture is 195,000; Pillow makes a decoder for each.
_MAX_STRIPS = 200_000
# Pillow makes an object of each, and real files have six.
_MAX_RATIONALS = 10_000
# Colour profile, XMP, Exif; not Photoshop's layers, which may be nearly all of the file.
_MAX_TAG_BYTES = 32_000_000
# A tile is made room for as a whole, however small the picture is. Usual ones have 256 to 1024 pixels a side.
_MAX_TILE_PIXELS = 4096 * 4096

_WIDTH, _HEIGHT, _BITS = 256, 257, 258
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_STRIPS = (273, 279, 324, 325)
_PHOTOSHOP_LAYERS = 37724
_BELOW = (34665, 34853, 40965)  # Exif, GPS, interoperability


def read_tiff(data: bytes) -> Header:
    """Raises: BadPicture, Truncated."""
    source, tally = TagFile(data), _Tally(len(data))
    largest: dict[int, int] = defaultdict(int)  # of a tag that comes twice, readers take the first or the last
    for tag in tally.counted(source.tags(source.first)):
        largest[tag.code] = max(largest[tag.code], tag.value)
        if tag.code in _BELOW:
            for _ in tally.counted(source.tags(tag.value)):
                pass
    width, height = largest[_WIDTH], largest[_HEIGHT]
    if not width or not height:
        raise Truncated
    check_pixels(width, height)
    check_count(largest[_TILE_WIDTH] * largest[_TILE_HEIGHT], max(_MAX_TILE_PIXELS, width * height), "pixels a tile")
    # At most decoded 4, RGBA 4, its alpha 1 and a white picture 4, or turned while decoded; then handed on, 8.
    return Header(format="TIFF", width=width, height=height, peak_bytes_per_pixel=14, is_isolated=True)


class _Tally:
    """What the directories of a file hold together. Args: file_bytes: nothing may hold more than the file does."""

    def __init__(self, file_bytes: int) -> None:
        self._file_bytes = file_bytes
        self._tags = self._rationals = self._tag_bytes = self._layer_bytes = 0

    def counted(self, tags: Iterable[Tag]) -> Iterator[Tag]:
        """The same tags. Raises: BadPicture: too_complex, at the first that is too much."""
        for tag in tags:
            self._tags += 1
            check_count(self._tags, _MAX_TAGS, "tags")
            if tag.code in _STRIPS:
                check_count(tag.count, _MAX_STRIPS, "strips")
            if tag.kind in RATIONALS:
                self._rationals += tag.count
                check_count(self._rationals, _MAX_RATIONALS, "rational numbers")
            if tag.code == _PHOTOSHOP_LAYERS:
                self._layer_bytes += tag.size_bytes
                check_count(self._layer_bytes, self._file_bytes, "bytes of layers")
            else:
                self._tag_bytes += tag.size_bytes
                check_count(self._tag_bytes, _MAX_TAG_BYTES, "bytes of tags")
            yield tag
