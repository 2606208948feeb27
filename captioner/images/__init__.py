"""A file or an upload becomes an upright RGB picture, or a `BadPicture` that says what is wrong with it.

The content decides what a file is, never its name. Models get the full-size picture (no reduced JPEG decoding, which
blurs differently); only `thumbnail` and `preview` shrink, and `full` shows all pixels. Knows no model, no page
and no store.

Codes of `BadPicture` raised here:
    unreadable        the file is not there, or the system does not let us read it
    not_a_file        a folder, a device, a pipe, a socket, or a symbolic link that must not be followed
    empty             0 bytes
    too_big           more than MAX_BYTES
    too_many_pixels   more than MAX_PIXELS, or a side longer than MAX_SIDE_PX
    too_complex       more segments, comments, tags, strips or scans than real pictures have
    not_an_image      the content is no picture format that is read here
    damaged           it starts like a picture but cannot be decoded to the end
    out_of_memory     there is not enough memory to decode it
    too_slow          decoding took longer than a picture of its size ever should

Where the work is: `opening` reads files and uploads, `headers` says what a file holds before it is decoded, `budget`
how much may be decoded at once, `process` decodes what its header does not bound (in `child`, a process of its own),
`decoding` all the rest, `shrinking` makes what is looked at, `encoding` what is handed on, `glance` tells what needs
no pixels, and `alike` says which pictures look nearly the same.
Others import from here alone.
"""

from captioner.images.alike import likeness, near_equal
from captioner.images.decoding import FORMATS, FRAMES, ON_WHITE, TURNED, OpenedPicture, readable_formats
from captioner.images.encoding import KINDS, encoded
from captioner.images.glance import Glance, glance, may_need_a_look
from captioner.images.headers import MAX_PIXELS, MAX_SIDE_PX, format_by_start
from captioner.images.opening import MAX_BYTES, digest, is_picture_name, open_picture, opened_picture, read_picture
from captioner.images.shrinking import full, preview, thumbnail

__all__ = [
    "FORMATS",
    "FRAMES",
    "KINDS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE_PX",
    "ON_WHITE",
    "TURNED",
    "Glance",
    "OpenedPicture",
    "digest",
    "encoded",
    "format_by_start",
    "full",
    "glance",
    "is_picture_name",
    "likeness",
    "may_need_a_look",
    "near_equal",
    "open_picture",
    "opened_picture",
    "preview",
    "read_picture",
    "readable_formats",
    "thumbnail",
]
