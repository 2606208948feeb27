"""Sets, pictures, edits and layers as the page uses them; the journal, the disk and kills have files of their own."""

import re
import subprocess
import sys
import unicodedata

import pytest

from captioner.errors import BadPicture, SettingsError, StoreError, UnknownPicture, UnknownSet
from captioner.files import data_folder
from captioner.records import Alternative, Layer, Sentence, Tag
from captioner.workspace import Workspace
from captioner.workspace.checksums import find_damage
from captioner.workspace.files import PictureFiles
from captioner.workspace.records import Failure, Refused, Upload
from tests.workspace_makers import filled, png, said, tagged

TABLES = ("sets", "pictures", "layers", "current_layers", "entries", "steps")


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "work") as opened:
        yield opened


def reopened(workspace):
    workspace.close()
    return Workspace(workspace.folder)


# Sets


def test_a_set_has_an_id_of_128_random_bits_and_a_name(workspace):
    ids = {workspace.create_set("dogs") for _ in range(20)}
    assert len(ids) == 20
    assert {len(set_id) for set_id in ids} == {22}
    assert workspace.find_set(ids.pop()).name == "dogs"


def test_only_sets_whose_ids_are_given_are_listed_and_strange_ids_are_left_out(workspace):
    first, _, third = (workspace.create_set(name) for name in ("one", "two", "three"))
    listed = workspace.sets([third, "nobody", "\ud800", "x" * 100_000, first])
    assert [(found.id, found.name) for found in listed] == [(third, "three"), (first, "one")]


def test_a_renamed_set_keeps_its_name_after_a_restart(workspace):
    set_id = workspace.create_set()
    workspace.rename_set(set_id, "Ünï 🐈 <b>\0")
    with reopened(workspace) as again:
        assert again.find_set(set_id).name == "Ünï 🐈 <b>\0"


@pytest.mark.parametrize("set_id", ["", "nobody", "../..", "\ud83d", "' OR 1=1 --", "\0", None, 7])
def test_an_unknown_set_is_a_clear_error(workspace, set_id):
    for ask in (workspace.find_set, workspace.views, workspace.settings, workspace.history, workspace.undo):
        with pytest.raises(UnknownSet, match=r"there is no caption set .* in this workspace; open another"):
            ask(set_id)


def test_a_set_counts_its_pictures_without_removed_ones(workspace):
    set_id, ids = filled(workspace, 3)
    workspace.remove_pictures(set_id, ids[:1])
    assert workspace.find_set(set_id).picture_count == 2


def test_settings_are_stored_whole(workspace):
    set_id = workspace.create_set()
    assert workspace.settings(set_id) == {}
    settings = {"captioner": "blip-demo", "num_beams": 3, "general_threshold": 0.35, "use_mcut": False, "clip": ""}
    workspace.set_settings(set_id, settings)
    workspace.set_settings(set_id, {**settings, "num_beams": 4})
    with reopened(workspace) as again:
        assert again.settings(set_id) == {**settings, "num_beams": 4}


def test_settings_a_set_begins_with_cannot_be_undone(workspace):
    set_id = workspace.create_set("dogs", {"num_beams": 3})
    assert workspace.settings(set_id) == {"num_beams": 3}
    assert workspace.undo(set_id) is None
    with pytest.raises(SettingsError):
        workspace.create_set("cats", {"num_beams": float("nan")})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [1], {"a": {"b": {"c": {}}}}, {"a": [1]}])
def test_settings_that_json_cannot_hold_are_refused(workspace, value):
    set_id = workspace.create_set()
    with pytest.raises(SettingsError, match=r" is .*; a stored setting must be"):
        workspace.set_settings(set_id, {"num_beams": value})
    assert workspace.settings(set_id) == {}


# Pictures


def test_a_picture_keeps_its_bytes_size_and_name(workspace):
    set_id, data = workspace.create_set(), png("blue", (600, 300))
    picture = workspace.add_picture(set_id, "a b.png", data)
    with reopened(workspace) as again:
        assert again.pictures(set_id) == (picture,)
        assert (picture.name, picture.width, picture.height) == ("a b.png", 600, 300)
        assert again.picture_bytes(set_id, picture.id) == data


def test_a_thumbnail_is_a_webp_of_at_most_256_pixels_made_once(workspace):
    from captioner.images import open_picture

    set_id = workspace.create_set()
    picture = workspace.add_picture(set_id, "a.png", png("blue", (600, 300)))
    data = workspace.thumbnail_bytes(set_id, picture.id)
    opened = open_picture(data)
    assert (opened.format, opened.image.size) == ("WEBP", (256, 128))
    file = workspace.folder / "thumbnails" / picture.digest[:2] / f"{picture.digest}.webp"
    made = file.stat().st_mtime_ns
    workspace.add_picture(set_id, "again.png", png("blue", (600, 300)))
    assert workspace.thumbnail_bytes(set_id, picture.id) == data
    assert file.stat().st_mtime_ns == made


@pytest.mark.parametrize("left", [None, b"", 40])
def test_a_lost_or_cut_thumbnail_is_made_again(workspace, left):
    set_id = workspace.create_set()
    picture = workspace.add_picture(set_id, "a.png", png())
    data = workspace.thumbnail_bytes(set_id, picture.id)
    file = workspace.folder / "thumbnails" / picture.digest[:2] / f"{picture.digest}.webp"
    if left is None:
        file.unlink()
    else:
        file.write_bytes(left if isinstance(left, bytes) else data[:left])
    assert workspace.thumbnail_bytes(set_id, picture.id) == data


def test_a_missing_picture_file_is_named(workspace):
    set_id = workspace.create_set()
    picture = workspace.add_picture(set_id, "a.png", png())
    (workspace.folder / "pictures" / picture.digest[:2] / picture.digest).unlink()
    with pytest.raises(StoreError, match=f"{picture.digest} is missing; put it back"):
        workspace.picture_bytes(set_id, picture.id)


def test_equal_pictures_are_noticed_and_both_kept(workspace):
    set_id = workspace.create_set()
    first = workspace.add_picture(set_id, "a.png", png())
    workspace.add_picture(set_id, "b.png", png("blue"))
    third = workspace.add_picture(set_id, "c.png", png())
    assert first.id != third.id
    assert [view.equal_to for view in workspace.views(set_id)] == ["", "", first.id]
    assert len([path for path in (workspace.folder / "pictures").rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize(
    ("name", "folder"), [("é.png", "d"), (unicodedata.normalize("NFD", "é.png"), "d"), ("é.png", "D"), ("É.png", "d")]
)
def test_a_picture_that_is_there_under_its_name_and_folder_is_not_doubled(workspace, name, folder):
    set_id = workspace.create_set()
    first = workspace.add_picture(set_id, "é.png", png(), folder="d")
    second, *_ = workspace.add_pictures(
        set_id, [Upload(name, png(), folder=folder), Upload(name, png(), folder=folder)]
    )
    is_same = unicodedata.normalize("NFC", name) == first.name and folder == "d"
    assert (second.id == first.id) is is_same
    assert len(workspace.views(set_id)) == 2 - is_same
    if is_same:
        assert second == first


def test_a_removed_picture_comes_as_a_new_one_when_it_is_added_again(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.remove_pictures(set_id, ids)
    assert workspace.add_picture(set_id, "0.png", png()).id != ids[0]
    assert len(workspace.views(set_id)) == 1


def test_a_picture_added_again_takes_the_caption_it_lacks_and_keeps_one_it_has(workspace):
    set_id, _ = filled(workspace, 3)
    for text in ("first", "second"):
        for number in range(2):
            workspace.add_picture(set_id, f"{number}.png", png(), text, upload_id="one upload")
    assert [view.existing for view in workspace.views(set_id)] == ["first", "first", ""]
    assert [entry.label for entry in workspace.history(set_id)] == ["Import captions"]
    workspace.undo(set_id)
    assert [view.existing for view in workspace.views(set_id)] == ["", "", ""]


def test_captions_of_one_upload_are_one_step_and_of_another_a_step_of_its_own(workspace):
    set_id, ids = filled(workspace, 3)
    for picture_id, upload_id in zip(ids, ("a", "a", "b"), strict=True):
        change = workspace.set_existing(set_id, {picture_id: "text"}, upload_id=upload_id, is_where_none=True)
        assert change.picture_ids == (picture_id,)
    assert workspace.set_existing(set_id, {ids[0]: "other"}, is_where_none=True).picture_ids == ()
    assert [entry.picture_count for entry in workspace.history(set_id)] == [1, 2]
    workspace.undo(set_id)
    workspace.undo(set_id)
    assert [view.existing for view in workspace.views(set_id)] == ["", "", ""]


def test_when_the_first_of_equal_pictures_is_removed_the_next_is_the_first(workspace):
    set_id, ids = filled(workspace, 3)
    before = workspace.find_set(set_id).version
    workspace.remove_pictures(set_id, ids[:1])
    changes = workspace.changes_since(set_id, before)
    assert [(view.id, view.equal_to) for view in changes.views] == [(ids[1], ""), (ids[2], ids[1])]


HOSTILE_NAMES = [
    "../../etc/passwd",
    "a\0b.png",
    "C:\\windows\\x.png",
    "CON",
    "nul.png",
    "trailing. .",
    "\u00e9.png",
    "e\u0301.png",
    "E.PNG",
    "🐈" * 60 + ".png",
    "ä" * 300,
    "",
    "<img src=x onerror=alert(1)>.png",
    "\u202egnp.exe",
    "new\nline.png",
]


def test_hostile_names_are_data_and_never_paths(workspace):
    set_id = workspace.create_set()
    uploads = [Upload(name, png(size=(40 + place, 30))) for place, name in enumerate(HOSTILE_NAMES)]
    workspace.add_pictures(set_id, uploads)  # two names differ by their Unicode form only, so the bytes differ too
    with reopened(workspace) as again:
        assert [view.name for view in again.views(set_id)] == HOSTILE_NAMES
        files = [path for kind in ("pictures", "thumbnails") for path in (again.folder / kind).rglob("*")]
    assert all(re.fullmatch(r"[0-9a-f]{2}|[0-9a-f]{64}(\.webp)?", path.name) for path in files)
    assert {path.name for path in workspace.folder.parent.iterdir()} == {"work"}


def test_a_name_that_is_no_unicode_is_spelt_out(workspace):
    set_id = workspace.create_set()
    assert workspace.add_picture(set_id, "caf\udce9.png", png()).name == "caf\\udce9.png"


def test_one_bad_file_costs_one_file(workspace):
    set_id = workspace.create_set()
    uploads = [
        Upload("a.png", png()),
        Upload("page.png", b"<html>no picture</html>"),
        Upload("cut.png", png()[:60]),
        Upload("x" * 2_000, png()),
        Upload("long.png", png(), "x" * 10_001),
        Upload("b.png", png(), "a red square"),
    ]
    answers = workspace.add_pictures(set_id, uploads)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [(answer.name[:8], answer.code) for answer in refused] == [
        ("page.png", "not_an_image"),
        ("cut.png", "damaged"),
        ("xxxxxxxx", "bad_setting"),
        ("long.png", "bad_setting"),
    ]
    assert all(answer.message.endswith(".") for answer in refused)
    assert [(view.name, view.existing) for view in workspace.views(set_id)] == [
        ("a.png", ""),
        ("b.png", "a red square"),
    ]


def test_a_bad_picture_alone_is_an_error_and_leaves_nothing(workspace):
    set_id = workspace.create_set()
    with pytest.raises(BadPicture):
        workspace.add_picture(set_id, "a.png", b"GIF89a")
    assert workspace.views(set_id) == ()
    assert not (workspace.folder / "pictures").exists()


def test_captions_that_come_after_their_pictures_are_stored_and_can_be_taken_back(workspace):
    set_id, ids = filled(workspace, 2)
    before = workspace.view(set_id, ids[1])
    workspace.set_existing(set_id, {ids[1]: "from a file"})
    view = workspace.view(set_id, ids[1])
    assert (view.existing, view.text, view.revision, view.state) == ("from a file", None, 0, "empty")
    assert view.layers_version > before.layers_version
    workspace.undo(set_id)
    assert workspace.view(set_id, ids[1]).existing == ""


def test_a_picture_of_another_set_is_unknown(workspace):
    (first, ids), (second, _) = filled(workspace, 1), filled(workspace, 1)
    assert workspace.view(first, ids[0]).id == ids[0]
    for ask in (workspace.view, workspace.picture_bytes, workspace.thumbnail_bytes, workspace.layers):
        with pytest.raises(UnknownPicture, match=f"the set has no picture '{ids[0]}'; load the page again"):
            ask(second, ids[0])
    with pytest.raises(UnknownPicture):
        workspace.save_edit(second, ids[0], "x", 0)


# Edits

TEXTS = [
    "",
    " a  b\r\n\tc ",
    "🐈 \U0001f468\u200d\U0001f680 \U0010ffff \ufeff",
    "<script>alert(1)</script>",
    "a\0b",
    "\u00e9 e\u0301",
    "🐈" * 10_000,
    "'); DROP TABLE pictures --",
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back_exactly_as_it_was_saved(workspace, text):
    set_id, ids = filled(workspace, 1)
    saved = workspace.save_edit(set_id, ids[0], text, 0)
    assert (saved.ok, saved.revision, saved.conflict) == (True, 1, None)
    with reopened(workspace) as again:
        view = again.view(set_id, ids[0])
    assert (view.text, view.revision, view.is_edited, view.state) == (text, 1, True, "edited")


def test_a_text_that_is_too_long_is_refused_and_the_stored_one_stays(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "kept", 0)
    message = "the caption has 10,001 characters; at most 10,000 are taken: shorten it"
    with pytest.raises(SettingsError, match=message):
        workspace.save_edit(set_id, ids[0], "x" * 10_001, 1)
    with pytest.raises(SettingsError, match=message):
        workspace.apply_edits(set_id, {ids[0]: "x" * 10_001}, "Prefix")
    assert workspace.view(set_id, ids[0]).text == "kept"


def test_half_a_character_is_refused_and_its_place_named(workspace):
    set_id, ids = filled(workspace, 1)
    with pytest.raises(SettingsError, match=r"half a character \(U\+D83D\) at position 3; delete it"):
        workspace.save_edit(set_id, ids[0], "ab\ud83d", 0)
    assert workspace.view(set_id, ids[0]).revision == 0


@pytest.mark.parametrize("revision", [None, "0", 0.0, True])
def test_a_revision_that_is_no_whole_number_is_refused(workspace, revision):
    set_id, ids = filled(workspace, 1)
    with pytest.raises(SettingsError, match=r"base_revision is .*; it must be a whole number"):
        workspace.save_edit(set_id, ids[0], "x", revision)


def test_a_save_on_a_stale_revision_is_a_conflict_and_changes_nothing(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "theirs", 0)
    for base_revision in (0, 2, -1, 10**30):
        answer = workspace.save_edit(set_id, ids[0], "mine", base_revision)
        assert (answer.ok, answer.revision, answer.conflict) == (False, 1, "theirs")
    assert workspace.view(set_id, ids[0]).text == "theirs"


def test_a_text_that_is_stored_already_is_no_conflict_at_any_revision(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "same", 0)
    version = workspace.find_set(set_id).version
    assert workspace.save_edit(set_id, ids[0], "same", 0).ok
    assert workspace.view(set_id, ids[0]).revision == 1
    assert workspace.find_set(set_id).version == version


def test_none_removes_the_edit_and_the_empty_text_is_one(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "", 0)
    assert workspace.view(set_id, ids[0]).is_edited
    assert workspace.save_edit(set_id, ids[0], None, 1).revision == 2
    view = workspace.view(set_id, ids[0])
    assert (view.text, view.is_edited, view.state) == (None, False, "empty")


def test_a_conflict_with_a_removed_edit_shows_none(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "x", 0)
    workspace.save_edit(set_id, ids[0], None, 1)
    answer = workspace.save_edit(set_id, ids[0], "y", 1)
    assert (answer.ok, answer.revision, answer.conflict) == (False, 2, None)


def test_a_bulk_change_is_one_step_that_gives_the_new_revisions(workspace):
    set_id, ids = filled(workspace, 3)
    workspace.save_edit(set_id, ids[0], "a", 0)
    changes = {ids[0]: "trigger, a", ids[1]: "trigger", ids[2]: None}
    applied = workspace.apply_edits(set_id, changes, "Prefix", revisions={ids[0]: 1, ids[1]: 0, ids[2]: 0})
    assert applied.ok
    assert applied.revisions == {ids[0]: 2, ids[1]: 1}
    assert (applied.entry.kind, applied.entry.label, applied.entry.picture_count) == ("bulk", "Prefix", 2)
    assert [view.text for view in workspace.views(set_id)] == ["trigger, a", "trigger", None]


def test_a_bulk_change_whose_preview_is_out_of_date_changes_nothing(workspace):
    set_id, ids = filled(workspace, 3)
    workspace.save_edit(set_id, ids[1], "typed meanwhile", 0)
    applied = workspace.apply_edits(set_id, dict.fromkeys(ids, "x"), "Clear", revisions=dict.fromkeys(ids, 0))
    assert (applied.ok, applied.entry, applied.conflicts) == (False, None, (ids[1],))
    assert [view.text for view in workspace.views(set_id)] == [None, "typed meanwhile", None]


def test_a_bulk_change_with_an_unknown_picture_changes_nothing(workspace):
    set_id, ids = filled(workspace, 2)
    workspace.remove_pictures(set_id, ids[1:])
    for stranger, message in ((ids[1], "was removed from the set; undo brings it back"), ("x", "has no picture 'x'")):
        with pytest.raises(UnknownPicture, match=message):
            workspace.apply_edits(set_id, {ids[0]: "x", stranger: "x"}, "Clear")
    assert workspace.view(set_id, ids[0]).text is None


def test_a_bulk_change_of_nothing_makes_no_entry(workspace):
    set_id, ids = filled(workspace, 2)
    applied = workspace.apply_edits(set_id, dict.fromkeys(ids), "Clear")
    assert (applied.ok, applied.entry, applied.revisions) == (True, None, {})
    assert workspace.history(set_id) == ()


# Layers and states


def test_layers_come_back_exactly_as_they_were_put(workspace):
    set_id, ids = filled(workspace, 1)
    sentence = Layer(
        picture_id=ids[0],
        model="/models/mine",
        family="blip",
        model_revision="ab12",
        run_settings={"num_beams": 3, "top_p": 0.9, "prompt": "ä", "flag": True},
        seed=2**62,
        created_at=1234.5678,
        sentence=Sentence("a cat 🐈", None, (Alternative("a dog", -0.1, "length"), Alternative("x", None)), "stop"),
    )
    tags = Layer(
        picture_id=ids[0],
        model="wd14-demo",
        family="wd14",
        model_revision="cd34",
        run_settings={},
        seed=None,
        created_at=0.1,
        tags=(Tag("0_0", 0.1 + 0.2, "general", "wd14"), Tag("0_0", 1e-300, "rating", "wd14")),
    )
    none = Layer(
        picture_id=ids[0],
        model="clip-demo",
        family="clip",
        model_revision="",
        run_settings={},
        seed=None,
        created_at=0.0,
        tags=(),
    )
    workspace.put_layers(set_id, [tags, sentence, none])
    assert workspace.layers(set_id, ids[0]) == (sentence, none, tags)
    with reopened(workspace) as again:
        assert again.layers(set_id, ids[0]) == (sentence, none, tags)


def test_a_new_layer_takes_the_place_of_its_family_only(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.put_layers(set_id, [said(ids[0], "a cat"), tagged(ids[0], "cat")])
    workspace.put_layers(set_id, [said(ids[0], "a dog")])
    assert workspace.layers(set_id, ids[0]) == (said(ids[0], "a dog"), tagged(ids[0], "cat"))


def test_an_edit_survives_a_new_layer_with_its_revision(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "mine", 0)
    before = workspace.view(set_id, ids[0])
    workspace.put_layers(set_id, [said(ids[0], "a cat")])
    after = workspace.view(set_id, ids[0])
    assert (after.text, after.revision, after.state) == ("mine", 1, "edited")
    assert after.layers_version > before.layers_version
    assert workspace.save_edit(set_id, ids[0], "mine still", 1).ok


def test_layers_of_all_pictures_come_in_order_and_follow_writes(workspace):
    set_id, ids = filled(workspace, 4)
    workspace.put_layers(set_id, [said(ids[2], "a cat"), tagged(ids[0], "cat", "sofa")])
    for _ in range(2):
        assert list(workspace.all_layers(set_id)) == [
            (ids[0], (tagged(ids[0], "cat", "sofa"),)),
            (ids[1], ()),
            (ids[2], (said(ids[2], "a cat"),)),
            (ids[3], ()),
        ]
    workspace.put_layers(set_id, [said(ids[2], "a dog")])
    workspace.remove_pictures(set_id, ids[3:])
    assert dict(workspace.all_layers(set_id))[ids[2]] == (said(ids[2], "a dog"),)
    assert [picture_id for picture_id, _ in workspace.all_layers(set_id)] == ids[:3]
    workspace.undo(set_id)
    workspace.undo(set_id)
    assert dict(workspace.all_layers(set_id))[ids[2]] == (said(ids[2], "a cat"),)


def test_layers_of_more_pictures_than_one_read_takes_all_come(workspace, monkeypatch):
    monkeypatch.setattr("captioner.workspace.store.LAYERS_AT_ONCE", 3)
    set_id, ids = filled(workspace, 10)
    workspace.put_layers(set_id, [said(picture_id, picture_id) for picture_id in ids])
    assert [layers[0].sentence.text for _, layers in workspace.all_layers(set_id)] == ids


@pytest.mark.parametrize("one_by_one", [0, 64])
def test_layers_of_some_pictures_are_the_same_however_they_are_read(workspace, monkeypatch, one_by_one):
    monkeypatch.setattr("captioner.workspace.store.LAYERS_ONE_BY_ONE", one_by_one)
    set_id, ids = filled(workspace, 5)
    workspace.put_layers(set_id, [said(ids[1], "a cat"), said(ids[2], "a dog")])
    wanted = {ids[1]: "views by id", ids[3]: "do as well"}
    assert list(workspace.layers_of(set_id, wanted)) == [(ids[1], (said(ids[1], "a cat"),)), (ids[3], ())]
    assert list(workspace.layers_of(set_id, ())) == []


def test_a_failure_is_kept_until_a_run_succeeds(workspace):
    set_id, ids = filled(workspace, 2)
    failure = Failure("out_of_memory", "the card is full.")
    workspace.put_failure(set_id, ids[0], failure)
    with reopened(workspace) as again:
        view = again.view(set_id, ids[0])
        assert (view.state, view.failure) == ("failed", failure)
        assert again.view(set_id, ids[1]).state == "empty"
        again.put_layers(set_id, [said(ids[0], "a cat")], failures={ids[1]: failure})
        assert [(view.state, view.failure) for view in again.views(set_id)] == [
            ("generated", None),
            ("failed", failure),
        ]
        again.save_edit(set_id, ids[1], "mine", 0)
        assert (again.view(set_id, ids[1]).state, again.view(set_id, ids[1]).failure) == ("edited", failure)


def test_a_step_that_failed_in_part_keeps_what_it_has_and_says_so(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.put_layers(set_id, [said(ids[0], "a cat")], failures={ids[0]: Failure("model_failed", "NaN.")})
    view = workspace.view(set_id, ids[0])
    assert (view.state, view.failure.code) == ("failed", "model_failed")
    assert len(workspace.layers(set_id, ids[0])) == 1


def test_layers_for_an_unknown_picture_are_an_error_and_store_nothing(workspace):
    set_id, ids = filled(workspace, 1)
    with pytest.raises(UnknownPicture):
        workspace.put_layers(set_id, [tagged(ids[0], "new label"), said("nobody", "x")])
    assert workspace.layers(set_id, ids[0]) == ()
    workspace.put_layers(set_id, [tagged(ids[0], "new label")])  # the label is new again after the rollback
    assert workspace.layers(set_id, ids[0]) == (tagged(ids[0], "new label"),)


# Following a set


def test_changes_since_a_version_are_only_what_changed(workspace):
    set_id, ids = filled(workspace, 5)
    start = workspace.changes_since(set_id, 0)
    assert [view.id for view in start.views] == ids
    assert (start.is_everything, start.name, start.settings) == (False, "a set", {})
    nothing = workspace.changes_since(set_id, start.version)
    assert (nothing.version, nothing.views, nothing.removed) == (start.version, (), ())
    assert (nothing.settings, nothing.name, nothing.undo, nothing.redo) == (None, None, None, None)

    workspace.save_edit(set_id, ids[1], "x", 0)
    workspace.put_layers(set_id, [said(ids[3], "y")])
    later = workspace.changes_since(set_id, start.version)
    assert later.views == (workspace.view(set_id, ids[1]), workspace.view(set_id, ids[3]))
    assert later.undo.kind == "run"

    workspace.rename_set(set_id, "new name")
    workspace.set_settings(set_id, {"num_beams": 2})
    last = workspace.changes_since(set_id, later.version)
    assert (last.views, last.name, last.settings) == ((), "new name", {"num_beams": 2})


def test_changes_name_removed_and_restored_pictures(workspace):
    set_id = workspace.create_set()
    ids = [workspace.add_picture(set_id, "x.png", png(colour)).id for colour in ("red", "blue")]
    before = workspace.changes_since(set_id, 0).version
    removed = workspace.remove_pictures(set_id, [ids[0]])
    changes = workspace.changes_since(set_id, before)
    assert (changes.removed, changes.views, changes.version) == ((ids[0],), (), removed.version)
    workspace.restore_pictures(set_id, [ids[0]])
    assert [view.id for view in workspace.changes_since(set_id, removed.version).views] == [ids[0]]


@pytest.mark.parametrize("version", [-1, 99, 10**30])
def test_a_version_the_set_never_had_gives_everything(workspace, version):
    set_id, ids = filled(workspace, 2)
    changes = workspace.changes_since(set_id, version)
    assert changes.is_everything
    assert [view.id for view in changes.views] == ids
    assert (changes.name, changes.settings) == ("a set", {})


def test_every_change_counts_the_version_up(workspace):
    set_id, ids = filled(workspace, 2)
    doings = (
        lambda: workspace.save_edit(set_id, ids[0], "x", 0),
        lambda: workspace.apply_edits(set_id, {ids[1]: "y"}, "Prefix"),
        lambda: workspace.put_layers(set_id, [said(ids[0], "z")]),
        lambda: workspace.put_failure(set_id, ids[0], Failure("a", "b")),
        lambda: workspace.set_settings(set_id, {"a": 1}),
        lambda: workspace.rename_set(set_id, "b"),
        lambda: workspace.set_existing(set_id, {ids[0]: "c"}),
        lambda: workspace.remove_pictures(set_id, [ids[0]]),
        lambda: workspace.undo(set_id),
        lambda: workspace.redo(set_id),
        lambda: workspace.restore_pictures(set_id, [ids[0]]),
        lambda: workspace.add_picture(set_id, "n", png()),
    )
    versions = [workspace.find_set(set_id).version]
    for do in doings:
        do()
        versions.append(workspace.find_set(set_id).version)
    assert versions == sorted(set(versions))
    other = workspace.create_set()
    assert workspace.find_set(other).version == 1


# Around it


def test_the_data_folder_is_in_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "captioner"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == tmp_path / "home" / ".local" / "share" / "captioner"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_folder() == tmp_path / "home" / "Library" / "Application Support" / "Captioner"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert data_folder() == tmp_path / "local" / "Captioner"


def test_the_store_loads_no_model_no_page_and_not_even_pillow():
    heavy = "{'torch', 'transformers', 'open_clip', 'onnxruntime', 'gradio', 'numpy', 'PIL'}"
    code = f"import sys, captioner.workspace; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_closed_workspace_says_so(workspace):
    set_id = workspace.create_set()
    workspace.close()
    workspace.close()
    for ask in (lambda: workspace.create_set(), lambda: workspace.views(set_id)):
        with pytest.raises(StoreError, match="was closed"):
            ask()


# Folders within a set


@pytest.mark.parametrize("folder", ["", "train", "a/b/c", "少女/10_dog", "with blanks/.hidden"])
def test_a_picture_keeps_its_folder_within_the_set(workspace, folder):
    set_id = workspace.create_set()
    one = workspace.add_picture(set_id, "a.png", png(), folder=folder)
    other = workspace.add_pictures(set_id, [Upload("a.png", png("blue"), folder=folder)])[0]
    with reopened(workspace) as again:
        assert [view.folder for view in again.views(set_id)] == [folder, folder]
        assert again.pictures(set_id) == (one, other)


@pytest.mark.parametrize(
    "folder",
    [
        "/abs",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/ /b",
        "C:",
        "a\\b",
        "a\nb",
        "a\x7fb",
        "a/" * 20 + "a",
        "x" * 1_001,
        None,
    ],
)
def test_a_folder_that_leads_elsewhere_is_refused(workspace, folder):
    set_id = workspace.create_set()
    with pytest.raises(SettingsError, match="the folder"):
        workspace.add_picture(set_id, "a.png", png(), folder=folder)
    refused = workspace.add_pictures(set_id, [Upload("a.png", png(), folder=folder), Upload("b.png", png())])
    assert isinstance(refused[0], Refused)
    assert [view.name for view in workspace.views(set_id)] == ["b.png"]


# Deleting a set


def files_of(workspace):
    return sorted(path.name for path in (workspace.folder / "pictures").rglob("*") if path.is_file())


def test_a_deleted_set_is_gone_with_everything_and_others_stay(workspace):
    set_id, ids = filled(workspace, 3)
    workspace.put_layers(set_id, [said(ids[0], "a dog"), tagged(ids[0], "1dog")])
    workspace.save_edit(set_id, ids[1], "mine", 0)
    workspace.remove_pictures(set_id, ids[2:])
    other, other_ids = filled(workspace, 2)
    workspace.put_layers(other, [said(other_ids[0], "a cat")])
    workspace.delete_set(set_id)
    with reopened(workspace) as again:
        with pytest.raises(UnknownSet):
            again.views(set_id)
        assert len(again.views(other)) == 2
        assert again.layers(other, other_ids[0])[0].sentence.text == "a cat"
        with again._database.read() as db:
            counts = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
            assert find_damage(db) is None
        assert counts == {"sets": 1, "pictures": 2, "layers": 1, "current_layers": 1, "entries": 1, "steps": 1}


def test_a_deleted_set_s_picture_files_go_unless_another_set_has_them(workspace):
    set_id, other = workspace.create_set(), workspace.create_set()
    shared = workspace.add_picture(set_id, "a.png", png("red"))
    alone = workspace.add_picture(set_id, "b.png", png("blue"))
    workspace.add_picture(other, "a.png", png("red"))
    assert files_of(workspace) == sorted([shared.digest, alone.digest])
    workspace.delete_set(set_id)
    assert files_of(workspace) == [shared.digest]
    assert not list((workspace.folder / "thumbnails").rglob(f"{alone.digest}*"))
    assert workspace.add_picture(other, "b.png", png("blue")).digest == alone.digest
    assert workspace.picture_bytes(other, workspace.views(other)[1].id) == png("blue")


def test_files_of_a_deleted_set_that_a_kill_has_left_go_at_the_next_start(workspace, monkeypatch):
    set_id = workspace.create_set()
    workspace.add_picture(set_id, "a.png", png())
    monkeypatch.setattr(PictureFiles, "discard", lambda files, digests: False)  # as during an upload
    workspace.delete_set(set_id)
    assert len(files_of(workspace)) == 1
    monkeypatch.undo()
    with reopened(workspace) as again:
        assert files_of(again) == []


def test_a_file_that_no_row_knows_is_never_deleted(workspace):
    """The database may have been put away for a moment, and an empty one stand in its place."""
    set_id = workspace.create_set()
    workspace.add_picture(set_id, "a.png", png())
    workspace.close()
    (workspace.folder / "captions.sqlite").unlink()
    with Workspace(workspace.folder) as again:
        again.delete_set(again.create_set())
        assert len(files_of(again)) == 1


def test_a_file_that_is_being_added_is_not_deleted(workspace):
    set_id = workspace.create_set()
    workspace.add_picture(set_id, "a.png", png())
    with workspace._files.uploading():
        workspace.delete_set(set_id)
        assert len(files_of(workspace)) == 1


def test_a_layer_of_a_deleted_set_is_not_taken_for_one_of_a_new_set(workspace):
    for text in ("a dog", "a cat"):
        set_id, ids = filled(workspace, 1)
        workspace.put_layers(set_id, [said(ids[0], text)])
        assert workspace.layers(set_id, ids[0])[0].sentence.text == text
        workspace.delete_set(set_id)


def test_an_unknown_set_cannot_be_deleted(workspace):
    with pytest.raises(UnknownSet):
        workspace.delete_set("nobody")


# Picture files


def test_a_picture_file_with_another_content_of_the_same_size_is_healed_by_adding_it_again(workspace):
    set_id = workspace.create_set()
    picture = workspace.add_picture(set_id, "a.png", png())
    path = workspace.picture_path(set_id, picture.id)
    path.write_bytes(bytes(len(png())))
    workspace.add_picture(set_id, "a.png", png())
    assert workspace.picture_bytes(set_id, picture.id) == png()
