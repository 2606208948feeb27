"""Sets that come and go as folders, with the captions people have beside their pictures."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    count,
    downloaded,
    names,
    open_page,
    picture,
    select,
    wait_saved,
    wait_until,
)
from tests.browser.proxy import proxied

pytestmark = pytest.mark.browser

DROP = """([files, at]) => {
    // A drop as Chromium makes it: entries of files and folders, of which a script can make none itself.
    const roots = new Map();
    for (const [path, bytes] of files) {
        const names = path.split('/');
        let level = roots;
        for (const name of names.slice(0, -1)) {
            if (!level.has(name)) level.set(name, new Map());
            level = level.get(name);
        }
        level.set(names.at(-1), new File([Uint8Array.from(bytes)], names.at(-1)));
    }
    const entryOf = (name, inner, above) => {
        const fullPath = `${above}/${name}`;
        if (inner instanceof File) return { isFile: true, name, fullPath, file: (good) => good(inner) };
        const children = [...inner].map(([child, value]) => entryOf(child, value, fullPath));
        return { isFile: false, name, fullPath, createReader: () => ({
            readEntries: (good) => good(children.splice(0, 2)),  // in pieces, as browsers do
        }) };
    };
    const items = [...roots].map(([name, inner]) => ({ webkitGetAsEntry: () => entryOf(name, inner, '') }));
    const event = new Event('drop', { bubbles: true, cancelable: true });
    Object.defineProperty(event, 'dataTransfer', { value: { types: ['Files'], items, files: [] } });
    document.querySelector('.cw-preview').dispatchEvent(event);
}"""


def drop(page: Any, files: dict[str, bytes]) -> None:
    """Drops files, each with its path below what is dropped."""
    page.evaluate(DROP, [[[path, list(data)] for path, data in files.items()], None])


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, "PNG")
    return buffer.getvalue()


RED, GREEN, BLUE = png((200, 30, 30)), png((30, 160, 40)), png((30, 40, 200))
TRAIN = {
    "train/10_sks dog/1.png": RED,
    "train/10_sks dog/1.txt": b"a dog",
    "train/5_cat/1.png": BLUE,
    "train/5_cat/1.TXT": b"a cat",
}


def settled(page: Any, pictures: int) -> None:
    wait_until(lambda: count(page) == pictures and page.locator("#cw-progress").is_hidden(), "all are listed")


def told(page: Any) -> str:
    page.wait_for_selector(".cw-notice")
    return str(page.locator(".cw-notices").inner_text())


def test_a_dropped_folder_of_folders_leaves_as_it_came(server: AppServer, context: Any) -> None:
    page = open_page(context, server.url)
    drop(page, TRAIN)
    settled(page, 2)
    assert names(page) == ["5_cat/1.png", "10_sks dog/1.png"]
    assert set(page.locator(".cw-cell-folder").all_inner_texts()) == {"5_cat", "10_sks dog"}
    assert downloaded(page) == {"10_sks dog/1.txt": "a dog", "5_cat/1.txt": "a cat"}
    assert page.locator(".cw-notice").count() == 0
    page.locator("#cw-overview-open").click()
    page.locator(".cw-bar-row").filter(has_text="5_cat").click()
    wait_until(lambda: names(page) == ["5_cat/1.png"], "the overview lists a folder's pictures")
    page.locator("#cw-unfilter").click()
    page.locator("#cw-filter").fill("SKS")
    wait_until(lambda: names(page) == ["10_sks dog/1.png"], "the folder's name filters")
    assert page.locator("#cw-name").text_content() == "5_cat/1.png"


def test_a_chosen_folder_keeps_its_folders_too(server: AppServer, context: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        picture(tmp_path / "set" / name / "1.png", (200, 30, 30))
    page = open_page(context, server.url)
    page.set_input_files("#cw-folder", str(tmp_path / "set"))
    settled(page, 2)
    assert names(page) == ["a/1.png", "b/1.png"]
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=operation]").select_option("tag")
    page.locator("#cw-bulk [data-operation=tag] [name=tag]").fill("sks")
    wait_until(lambda: page.locator(".cw-change b").count() == 2, "the change is shown")
    assert page.locator(".cw-change b").all_inner_texts() == ["a/1.png", "b/1.png"]


def test_pictures_of_one_folder_are_shown_without_it_and_sorted_by_name(server: AppServer, context: Any) -> None:
    page = open_page(context, server.url)
    drop(page, {"photos/10.png": RED, "photos/9.png": BLUE})
    settled(page, 2)
    assert names(page) == ["photos/9.png", "photos/10.png"]
    assert page.locator(".cw-cell-folder").first.is_hidden()
    assert page.locator("#cw-sort option:checked").inner_text() == "By name"
    drop(page, {"more/1.png": GREEN})
    settled(page, 3)
    assert page.locator(".cw-cell-folder").first.is_visible()
    page.locator("#cw-sort").select_option(label="By name")
    wait_until(lambda: names(page)[0] == "more/1.png", "names count before folders")


def test_a_caption_file_added_later_becomes_its_picture_s_and_undo_takes_it_back(
    server: AppServer, context: Any
) -> None:
    page = open_page(context, server.url)
    drop(page, {"1.png": RED})
    settled(page, 1)
    drop(page, {"1.txt": "später\nzwei".encode("utf-16"), "1.caption": b"another"})
    wait_until(lambda: caption(page) == "später\nzwei", "it is there, with its lines")
    assert "1.caption is left aside: 1.txt counts." in told(page)
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page) == "", "it is taken back")
    page.locator("#cw-redo").click()
    wait_until(lambda: caption(page) == "später\nzwei", "and done again")


def test_loose_captions_find_their_pictures_and_a_picture_that_was_there_can_be_taken_out_again(
    server: AppServer, context: Any
) -> None:
    page = open_page(context, server.url)
    drop(page, {"a/1.png": RED, "a/2.png": BLUE})
    settled(page, 2)
    page.locator("#cw-editor").fill("mine")
    wait_saved(page)
    drop(page, {"1.txt": b"one", "2.txt": b"two", "3.txt": b"three"})
    words = told(page)
    assert "1.txt went to a/1.png, the only picture of this name, and 1 more so." in words
    assert "a/1.txt is kept beside what you wrote for 1.png, which stays." in words
    assert "3.txt: No picture of this name is in this set" in words
    assert page.locator("#cw-brief").inner_text() == "2 captions came to pictures of the set"
    assert downloaded(page) == {"a/1.txt": "mine", "a/2.txt": "two"}
    page.get_by_role("button", name="Close", exact=True).click()
    drop(page, {"a/1.png": RED, "b/again.png": RED})
    settled(page, 3)
    words = told(page)
    assert "1 was there already" in words
    assert "The same picture under another name: b/again.png (as a/1.png)." in words
    page.get_by_role("button", name="Remove it").click()
    wait_until(lambda: names(page) == ["a/1.png", "a/2.png"], "it is taken out")
    page.locator("#cw-undo").click()
    settled(page, 3)


def test_the_pair_added_again_is_not_doubled_and_another_caption_only_asked_about(
    server: AppServer, context: Any
) -> None:
    page = open_page(context, server.url)
    drop(page, {"a/1.png": RED, "a/1.txt": b"first"})
    settled(page, 1)
    drop(page, {"a/1.png": RED, "a/1.txt": b"second"})
    assert "1 caption file was not taken, since the pictures have other captions: a/1.txt." in told(page)
    assert (count(page), caption(page)) == (1, "first")
    page.get_by_role("button", name="Take these captions instead").click()
    wait_until(lambda: caption(page) == "second", "it is taken")
    assert page.locator(".cw-notice").count() == 0


def test_captions_in_other_encodings_or_too_long_are_named_and_cost_no_picture(server: AppServer, context: Any) -> None:
    page = open_page(context, server.url)
    drop(
        page,
        {
            "cp932.png": RED,
            "cp932.txt": "写真".encode("cp932"),
            "long.png": BLUE,
            "long.txt": b"x" * 10_001,
            "nul.png": GREEN,
            "nul.txt": "a girl".encode("utf-16-le"),
        },
    )
    settled(page, 3)
    words = told(page)
    assert "3 files were not added" in words
    assert "cp932.txt is not UTF-8 text; save it as UTF-8" in words
    assert "nul.txt is not UTF-8 text" in words
    assert "long.txt has 10,001 characters" in words
    assert {text.strip() for text in downloaded(page).values()} == {""}


def test_what_is_no_picture_is_not_sent_and_named_by_reason(server: AppServer, context: Any) -> None:
    page = open_page(context, server.url)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    drop(
        page,
        {
            "d/1.png": RED,
            "d/notes.pdf": b"%PDF",
            "d/.DS_Store": b"x",
            "d/mask/1.png": BLUE,
            "d/x.psd": b"8BPS",
            "d/@eaDir/1.png/T.jpg": b"x",
            "d/1-masklabel.png": GREEN,
            "d/broken.png": b"no picture",
        },
    )
    settled(page, 1)
    words = told(page)
    assert page.locator(".cw-notice").count() == 1
    assert "7 files were not added" in words
    for line in (
        "2 passed over as masks: d/mask/1.png, d/1-masklabel.png.",
        "1 passed over as hidden: d/.DS_Store.",
        "1 passed over as a file server's thumbnails: d/@eaDir/1.png/T.jpg.",
        "1 passed over as neither pictures nor captions: d/notes.pdf.",
        "1 passed over as files of a format that is not read here (save them as PNG or JPEG): d/x.psd.",
        "d/broken.png: ",
    ):
        assert line in words
    assert sum(url.endswith("/pictures") for url in sent) == 2
    page.get_by_role("button", name="Add the 2 masks as pictures").click()
    settled(page, 3)
    assert names(page) == ["d/1-masklabel.png", "d/1.png", "d/mask/1.png"]


def test_leaving_while_files_wait_is_asked_about_and_what_is_missing_is_told_and_taken(
    server: AppServer, context: Any
) -> None:
    files = {"all/0.png": RED} | {f"all/{number}.png": png((number, 90, 90)) for number in range(1, 8)}
    is_holding = True

    def is_held(path: str, body: bytes) -> bool:
        """All pictures but the first two; in the browser itself a leaving page still gets some through."""
        return is_holding and path.endswith("/pictures") and not any(name in body for name in (b"0.png", b"1.png"))

    with proxied(server.port, "", is_held=is_held) as url:
        page = open_page(context, url)
        drop(page, {"all/0.png": RED})
        settled(page, 1)
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.locator("#cw-filter").click()  # a page that nobody touched may not ask
        drop(page, files)
        wait_until(lambda: count(page) == 2 and "2 of 8 added" in page.locator("#cw-progress-text").inner_text(), "two")
        page.reload()
        assert asked == ["beforeunload"]
        page.wait_for_selector(".cw[data-ready=true]")
        words = told(page)
        is_holding = False  # not before: what the page that was left had sent may still be read
        assert "6 pictures of the last upload were not added" in words
        assert re.search(r"all/\d\.png", words)
        drop(page, files)
        settled(page, 8)
        wait_until(lambda: page.locator(".cw-notice").count() == 0, "nothing is missing any more")
        assert page.locator("#cw-brief").inner_text() == "2 pictures were in the set already"
        assert len(set(names(page))) == 8
        page.reload()
        page.wait_for_selector(".cw[data-ready=true]")
        assert asked == ["beforeunload"], "nothing waits any more"
        assert page.locator(".cw-notice").count() == 0


def test_an_edit_of_several_lines_keeps_them(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-editor").fill("one\ntwo")
    wait_saved(page)
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    select(page, "turned.jpg")
    wait_until(lambda: caption(page) == "one\ntwo", "the lines are there")
    page.locator("#cw-download-open").click()
    wait_until(
        lambda: "1 caption has several lines and keeps them" in page.locator("#cw-download-notes").inner_text(), "said"
    )
    set_id = page.url.partition("set=")[2]
    answer = page.request.get(f"{server.url}sets/{set_id}/export")
    with zipfile.ZipFile(io.BytesIO(answer.body())) as archive:
        assert archive.read("turned.txt") == b"one\ntwo"
