"""captioner.formats.leaving: which pictures leave as they came, and what becomes of the others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from captioner import images
from captioner.captions.recipe_file import RECIPE_NAME
from captioner.errors import BadPicture
from captioner.formats.leaving import PicturesLeaving
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import SetSettings
from tests.shell import Shell

LYING = ["kohya", "musubi", "diffusion-pipe", "diffsynth", "joepenna", "simpletuner", "json"]


def exif(turn: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = turn
    return found


def halves(mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right: wider than high."""
    image = Image.new(mode, (40, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    return image


def saved(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or halves()).save(path, **options)
    return path


def leave(path: Path, target: str = "kohya", **values: Any) -> tuple[Image.Image, str, list[str]] | None:
    """The picture as it leaves, None where it keeps its bytes."""
    leaving = PicturesLeaving(TARGETS[target], SetSettings(**values))
    left = leaving.leave(path, path.suffix.lower())
    if left.source == path:
        assert leaving.notes() == [] and left.suffix == path.suffix.lower()
        return None
    assert isinstance(left.source, bytes)
    again = PicturesLeaving(TARGETS[target], SetSettings(**values)).leave(path, path.suffix.lower())
    assert again == left  # the same bytes each time
    image = Image.open(io.BytesIO(left.source))
    assert not image.getexif() and "icc_profile" not in image.info and "comment" not in image.info
    return image, left.suffix, leaving.notes()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_turned_picture_leaves_upright_where_the_trainer_does_not_turn_it(
    tmp_path: Path, target: str, suffix: str
) -> None:
    path = saved(tmp_path / f"a{suffix}", exif=exif(6))
    found = leave(path, target)
    assert (found is not None) == (target in LYING)
    if found is not None:
        image, kept, notes = found
        assert (image.size, kept) == ((20, 40), suffix)
        red, _, blue = image.convert("RGB").getpixel((10, 5))  # type: ignore[misc]
        assert red > 200 > 50 > blue  # the left is up
        assert notes == [f"1 picture was converted for {TARGETS[target].title}: 1 turned upright."]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_picture_that_needs_nothing_keeps_its_bytes(tmp_path: Path, suffix: str) -> None:
    assert leave(saved(tmp_path / f"a{suffix}")) is None
    if suffix != ".bmp":
        assert leave(saved(tmp_path / f"b{suffix}", exif=exif(1))) is None
        assert leave(saved(tmp_path / f"c{suffix}"), conversion="all") is None
    assert leave(saved(tmp_path / f"d{suffix}"), longest_edge=40) is None


@pytest.mark.parametrize(
    ("target", "suffix", "is_read"),
    [
        ("kohya", ".gif", False),
        ("kohya", ".avif", False),
        ("musubi", ".avif", True),
        ("ai-toolkit", ".bmp", False),
        ("onetrainer", ".tif", True),
        ("everydream2", ".tif", False),
        ("simpletuner", ".gif", True),
        ("webdataset", ".bmp", False),
    ],
)
def test_a_type_that_is_not_read_becomes_png(tmp_path: Path, target: str, suffix: str, is_read: bool) -> None:
    found = leave(saved(tmp_path / f"a{suffix}"), target)
    assert (found is None) == is_read
    if found is not None:
        image, kept, notes = found
        assert (image.format, kept) == ("PNG", ".png") and "1 saved as PNG" in notes[0]


def test_an_animated_picture_becomes_its_first_frame_where_frames_stop_the_trainer(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 20), name) for name in ("red", "blue")]
    path = saved(tmp_path / "a.webp", frames[0], save_all=True, append_images=frames[1:])
    assert leave(path, "kohya") is None
    found = leave(path, "diffusion-pipe")
    assert found is not None and found[0].format == "WEBP" and not getattr(found[0], "is_animated", False)


def test_on_request_all_pictures_are_plain(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (40, 20), (255, 0, 0, 0))
    path = saved(tmp_path / "a.png", clear)
    assert leave(path) is None
    found = leave(path, conversion="all")
    assert found is not None and found[0].mode == "RGB" and found[0].getpixel((0, 0)) == (255, 255, 255)
    assert found[2] == ["1 picture was converted for kohya's sd-scripts: 1 transparency laid on white."]
    assert leave(path, conversion="none", longest_edge=8) is None


@pytest.mark.parametrize("kind", images.KINDS)
def test_pictures_become_smaller_and_of_the_wished_type(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "a.bmp")
    found = leave(path, longest_edge=10, picture_type=kind)
    assert found is not None
    assert (found[0].size, found[0].format, found[1]) == ((10, 5), kind.upper(), images.KINDS[kind])
    assert leave(saved(tmp_path / "b.jpeg"), conversion="all", picture_type="jpeg") is None


def test_quality_decides_how_many_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.effect_noise((64, 64), 80).convert("RGB"))
    sizes = []
    for quality in (20, 95):
        settings = SetSettings(conversion="all", picture_type="jpeg", picture_quality=quality)
        data = PicturesLeaving(TARGETS["kohya"], settings).leave(path, ".png").source
        assert isinstance(data, bytes)
        sizes.append(len(data))
    assert sizes[0] < sizes[1] / 2


def test_webp_has_an_end(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (16_384, 1)))
    with pytest.raises(BadPicture, match=r"It is 16384 x 1 pixels, and WebP ends at 16,383 a side"):
        leave(path, conversion="all", picture_type="webp")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_the_parts_of_a_file_say_what_the_decoder_says(tmp_path: Path, suffix: str) -> None:
    plain, turned = saved(tmp_path / f"a{suffix}"), saved(tmp_path / f"b{suffix}", exif=exif(6))
    with plain.open("rb") as file:
        assert images.may_need_a_look(file) == (False, False)
    with turned.open("rb") as file:
        assert images.may_need_a_look(file)[0]
    with saved(tmp_path / f"c{suffix}", exif=exif(1)).open("rb") as file:
        assert images.may_need_a_look(file) == (False, False)  # as cameras write it: nothing to do
    seen = images.glance(turned.read_bytes())
    assert (seen.longer_px, seen.is_turned, seen.has_frames) == (40, True, False)
    for end in range(0, len(turned.read_bytes()), 7):  # whatever is cut off: an answer, or a sentence
        data = turned.read_bytes()[:end]
        images.may_need_a_look(io.BytesIO(data))
        try:
            images.glance(data)
        except BadPicture as error:
            assert str(error).endswith(".")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_turn_that_only_xmp_tells_is_found(tmp_path: Path, suffix: str) -> None:
    packet = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        halves().save(path, pnginfo=text)
    else:
        halves().save(path, xmp=packet)
    is_turned = images.glance(path.read_bytes()).is_turned
    with path.open("rb") as file:
        assert images.may_need_a_look(file)[0] or not is_turned
    assert (leave(path) is not None) == is_turned


def test_a_png_that_says_its_exif_last_or_as_text_is_looked_at() -> None:
    whole = io.BytesIO()
    halves().save(whole, "PNG", exif=exif(6))
    data = whole.getvalue()
    at = data.index(b"eXIf") - 4
    length = int.from_bytes(data[at : at + 4], "big") + 12
    end = data.index(b"IEND") - 4
    moved = data[:at] + data[at + length : end] + data[at : at + length] + data[end:]
    assert images.may_need_a_look(io.BytesIO(moved)) == (True, False)
    assert images.glance(moved).is_turned


# The command line


def test_one_bad_picture_costs_one(shell: Shell) -> None:
    saved(shell.folder / "in/a.jpg", exif=exif(6))
    shell.picture("in/b.png")
    (shell.folder / "in/a.txt").write_text("a cat")
    (shell.folder / "in/b.txt").write_text("a dog")
    (shell.folder / "in/c.txt").write_text("a bird")
    (shell.folder / "in/c.tif").write_bytes(b"II*\0 no picture")
    ran = shell.caption("in", "--format", "kohya", "--zip", "set.zip")
    assert ran.status == 1 and "in/c.tif: The picture is damaged" in ran.err
    assert "note: 1 picture was converted for kohya's sd-scripts: 1 turned upright." in ran.err
    with zipfile.ZipFile(shell.folder / "set.zip") as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
        assert names == {"a.jpg", "a.txt", "b.png", "b.txt", "dataset.toml", "START.txt", RECIPE_NAME}
        assert archive.read("set/img/1_set/b.png") == (shell.folder / "in/b.png").read_bytes()
        assert "1 turned upright" in archive.read("set/START.txt").decode()


def test_a_set_whose_pictures_were_converted_leaves_twice_as_the_same_bytes(shell: Shell) -> None:
    saved(shell.folder / "in/a.jpg", exif=exif(8))
    saved(shell.folder / "in/b.gif")
    for name in ("one", "two"):
        assert shell.caption("in", "--format", "musubi", "--zip", f"{name}/set.zip").status == 0
    assert (shell.folder / "one/set.zip").read_bytes() == (shell.folder / "two/set.zip").read_bytes()
    assert shell("check", "in", "--for", "musubi", "--captions-only").status == 1
    assert shell.caption("in", "--format", "musubi", "--out", "set").status == 0
    ran = shell("check", "set/img", "--for", "musubi")
    assert (ran.status, "turned" in ran.out) == (0, False)


def test_flags_that_change_nothing_are_refused(shell: Shell) -> None:
    shell.picture("in/a.png")
    ran = shell.caption("in", "--format", "kohya", "--zip", "s.zip", "--conversion", "none", "--longest-edge", "512")
    assert ran.status == 2 and "--longest-edge has no effect with --conversion none." in ran.err
    ran = shell.caption("in", "--zip", "s.zip", "--conversion", "all")
    assert ran.status == 2 and "--conversion needs --format with a trainer's name" in ran.err
