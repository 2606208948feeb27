"""GIF: everything up to the second frame, which is as far as a decoder is asked to go."""

from __future__ import annotations

from captioner.images.headers.base import Header, Truncated, check_count, check_pixels, unpack

# 200 MB in blocks of 255 bytes are 800,000. Pillow reads block by block in Python.
_MAX_BLOCKS = 1_000_000
# Pillow joins a frame's comments piece by piece, so that the time grows with their square. Real comments are a line.
_MAX_COMMENT_BLOCKS = 4_000
# Bytes that belong to nothing.
_MAX_STRAY_BYTES = 1_000_000

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_COMMENT, _APPLICATION = 0xFE, 0xFF


def read_gif(data: bytes) -> Header:
    """Raises: BadPicture, Truncated."""
    width, height, flags = unpack("<HHB", data, 6)
    check_pixels(width, height)
    walk = _Walk(data, 13 + _palette_bytes(flags))
    stray = frames = 0
    while walk.place < len(data) and frames < 2:
        kind = data[walk.place]
        walk.place += 1
        if kind == _TRAILER:
            break
        if kind == _EXTENSION:
            walk.pass_extension(is_first_frame=frames == 0)
        elif kind == _IMAGE:
            frames += 1
            if frames == 1:
                left, top, frame_width, frame_height, flags = unpack("<HHHHB", data, walk.place)
                # A frame that sticks out makes the canvas larger.
                width, height = max(width, left + frame_width), max(height, top + frame_height)
                check_pixels(width, height)
                walk.place += 9 + _palette_bytes(flags) + 1
                walk.pass_blocks()
        else:
            stray += 1
            check_count(stray, _MAX_STRAY_BYTES, "bytes between its blocks")
    if frames == 0:
        raise Truncated
    # Decoded and a disposed frame 1 each, as RGBA, its alpha and a white picture.
    return Header(format="GIF", width=width, height=height, peak_bytes_per_pixel=12)


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 128 else 0


class _Walk:
    """A place in the data that moves over blocks exactly as Pillow does, its quirks included, and counts them."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self.place = place
        self._blocks = 0
        self._comment_blocks = 0

    def pass_extension(self, *, is_first_frame: bool) -> None:
        label = self._data[self.place] if self.place < len(self._data) else 0
        self.place += 1
        block_at = self.place + 1
        size = self._pass_block()
        if label == _COMMENT:
            while size:
                self._comment_blocks += 1
                check_count(self._comment_blocks, _MAX_COMMENT_BLOCKS, "blocks of comments")
                size = self._pass_block()
            return
        is_loop = size > 0 and self._data.startswith(b"NETSCAPE2.0", block_at)
        if label == _APPLICATION and is_first_frame and is_loop:
            self._pass_block()
        # Pillow reads on even if the block was the last.
        self.pass_blocks()

    def pass_blocks(self) -> None:
        while self._pass_block():
            pass

    def _pass_block(self) -> int:
        """Move behind one block. Returns: its size, 0 at the end of a row of blocks or of the data."""
        size = self._data[self.place] if self.place < len(self._data) else 0
        self.place += 1 + size
        self._blocks += 1
        check_count(self._blocks, _MAX_BLOCKS, "blocks")
        return size
