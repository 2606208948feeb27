"""The cache of parsed layers: never stale, bounded, and fair between sets."""

import pytest

from captioner.workspace import Workspace
from captioner.workspace.layers import LayerCache
from tests.workspace_makers import filled, tagged

LAYERS = (tagged("p", *(str(number) for number in range(90))),)  # weighs 100


def test_layers_are_found_for_the_version_they_were_kept_for_only():
    cache = LayerCache()
    cache.keep(1, [(7, 3, LAYERS)])
    assert cache.find(1, [(7, 3), (8, 3)]) == {7: LAYERS}
    assert cache.find(1, [(7, 4)]) == {}
    assert cache.find(2, [(7, 3)]) == {}


def test_a_full_cache_keeps_the_first_pictures_of_one_set():
    cache = LayerCache(tags=350)
    cache.keep(1, [(key, 1, LAYERS) for key in range(10)])
    assert list(cache.find(1, [(key, 1) for key in range(10)])) == [0, 1, 2]


def test_a_new_version_takes_the_room_of_the_old_one():
    cache = LayerCache(tags=200)
    for version in range(50):
        cache.keep(1, [(0, version, LAYERS), (1, version, LAYERS)])
        assert set(cache.find(1, [(0, version), (1, version)])) == {0, 1}


def test_the_set_that_was_asked_for_longest_ago_makes_room():
    cache = LayerCache(tags=300)
    for set_key in (1, 2, 3):
        cache.keep(set_key, [(0, 1, LAYERS)])
    cache.find(1, [(0, 1)])
    cache.keep(4, [(0, 1, LAYERS)])
    assert [set_key for set_key in (1, 2, 3, 4) if cache.find(set_key, [(0, 1)])] == [1, 3, 4]


@pytest.mark.parametrize("room", [0, 25, 10_000])
def test_a_set_larger_than_the_cache_is_read_right(tmp_path, room):
    with Workspace(tmp_path) as workspace:
        workspace._cache = LayerCache(tags=room)
        set_id, ids = filled(workspace, 5)
        workspace.put_layers(set_id, [tagged(picture_id, picture_id) for picture_id in ids])
        for _ in range(2):
            assert dict(workspace.all_layers(set_id)) == {
                picture_id: (tagged(picture_id, picture_id),) for picture_id in ids
            }


def test_layers_from_memory_are_the_same_objects_until_they_change(tmp_path):
    with Workspace(tmp_path) as workspace:
        set_id, ids = filled(workspace, 2)
        workspace.put_layers(set_id, [tagged(picture_id, "cat") for picture_id in ids])
        before = dict(workspace.all_layers(set_id))
        workspace.save_edit(set_id, ids[0], "an edit changes no layer", 0)
        workspace.put_layers(set_id, [tagged(ids[1], "dog")])
        after = dict(workspace.all_layers(set_id))
        assert after[ids[0]] is before[ids[0]]
        assert after[ids[1]] == (tagged(ids[1], "dog"),)
