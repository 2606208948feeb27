"""The pictures of sets, opened for a model and re-encoded to look at; those used last stay at hand.

Knows no caption and no model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from captioner import images
from captioner.contract import PictureInput
from captioner.service.recent import Recent
from captioner.workspace import Workspace
from captioner.workspace.records import View

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEW_EDGE_PX = 1600


class Pictures:
    """Pictures of all sets; equal ones are opened once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._opened: Recent[str, Image] = Recent(2)  # by digest, as the next
        self._previews: Recent[str, bytes] = Recent(48)

    def open(self, set_id: str, picture_id: str, digest: str) -> Image:
        """A picture as models take it. Raises: UnknownSet, UnknownPicture, BadPicture, StoreError."""
        image = self._opened.get(digest)
        if image is None:
            image = images.open_picture(self._workspace.picture_bytes(set_id, picture_id)).image
            self._opened.put(digest, image)
        return image

    def shown(self, set_id: str, view: View) -> PictureInput:
        """A picture as models get it, with its name, folder and existing caption. Raises: as `open`."""
        image = self.open(set_id, view.id, view.digest)
        return _input(image, view)

    def shown_once(self, set_id: str, view: View) -> PictureInput:
        """As `shown`, for a run over many: those that a person looks at stay at hand. Safe between threads."""
        image = self._opened.get(view.digest)
        if image is None:
            image = images.open_picture(self._workspace.picture_bytes(set_id, view.id)).image
        return _input(image, view)

    def preview_bytes(self, set_id: str, picture_id: str) -> bytes:
        """The picture re-encoded as WebP at a size to look at. Raises: UnknownSet, UnknownPicture, StoreError."""
        digest = self._workspace.view(set_id, picture_id).digest
        known = self._previews.get(digest)
        if known is None:
            known = self._new_preview(set_id, picture_id, digest)
            self._previews.put(digest, known)
        return known

    def full_bytes(self, set_id: str, picture_id: str) -> bytes:
        """All of the picture's pixels as JPEG; kept by browsers only, since it may have a hundred million.

        Raises: UnknownSet, UnknownPicture, StoreError, BadPicture.
        """
        return self._encoded(set_id, picture_id, self._workspace.view(set_id, picture_id).digest, images.full)

    def _new_preview(self, set_id: str, picture_id: str, digest: str) -> bytes:
        return self._encoded(set_id, picture_id, digest, lambda image: images.preview(image, PREVIEW_EDGE_PX))

    def _encoded(self, set_id: str, picture_id: str, digest: str, encode: Callable[[Image], bytes]) -> bytes:
        image = self._opened.get(digest)
        if image is not None:
            return encode(image)
        # Many visitors may look at many pictures at once, so each counts until it is encoded.
        with images.opened_picture(self._workspace.picture_bytes(set_id, picture_id)) as opened:
            self._opened.put(digest, opened.image)
            return encode(opened.image)


def _input(image: Image, view: View) -> PictureInput:
    return PictureInput(image, name=view.name, existing=view.existing, folder=view.folder, digest=view.digest)
