"""Controls are made from settings classes, for every registered family, and their values become settings again."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from captioner.captions.groups import group_of, setting_groups
from captioner.models.blip import PRESETS
from captioner.settings import Settings, choice, kept_file, real, switch, whole, words
from captioner.ui.controls import Controls, Offered
from tests.gradio_blocks import laid_out


class Everything(Settings):
    """One field of each kind."""

    count: int = whole(3, 1, 9, "How many.", unit="pieces")
    seed: int = whole(0, 0, 2**31 - 1, "Where chance begins.", only_when=("method", ("dice",)))
    share: float = real(0.5, 0.0, 1.0, "How much.")
    is_loud: bool = switch(True, "Whether it shouts.")
    method: str = choice("dice", ("dice", "cards"), "How it is decided.")
    name: str = words("", "What it is called.", max_length=50)
    list: str = kept_file("Words <of your own>.", keeper="taggers.vocabularies")


def _controls() -> Controls:
    controls = Controls()
    laid_out(lambda: [controls.field(declared) for declared in Everything.fields()])
    return controls


def test_each_kind_of_field_has_its_control() -> None:
    components = _controls().components
    kinds = {name: type(component).__name__ for name, component in components.items()}
    assert kinds == {
        "count": "Slider",
        "seed": "Number",
        "share": "Slider",
        "is_loud": "Checkbox",
        "method": "Radio",
        "name": "Textbox",
        "list": "Textbox",
    }
    assert components["list"].visible == "hidden", "a box of our own stands for it"
    slider = components["count"]
    assert (slider.minimum, slider.maximum, slider.step, slider.value) == (1, 9, 1, 3)
    assert slider.label == "Count (pieces)"
    assert slider.info == "How many."
    assert all(component.interactive for component in components.values())


def test_a_file_s_box_says_what_it_takes_and_escapes_it() -> None:
    made: list[Any] = []

    def lay_out() -> None:
        Controls().field(Everything.fields()[-1])
        made.extend(block for block in gr.context.Context.root_block.blocks.values() if isinstance(block, gr.HTML))

    laid_out(lay_out)
    [box] = made
    assert 'data-field="list"' in box.value
    assert "Words &lt;of your own&gt;." in box.value


def test_the_script_learns_which_field_depends_on_which() -> None:
    assert _controls().described()["only_when"] == {"seed": ("method", ("dice",))}


def test_the_script_learns_families_only_where_there_are_several() -> None:
    controls = Controls()
    controls.families({"blip-base": "blip", "blip-large": "blip"})
    assert controls.described()["families"] == {}
    controls.families({"blip-base": "blip", "other": "others"})
    assert controls.described()["families"] == {"blip-base": "blip", "other": "others"}


def test_updates_follow_a_flat_mapping_and_leave_a_switched_off_model_chosen() -> None:
    controls = Controls()
    group = next(group for group in setting_groups() if group.key == "wd14")

    def lay_out() -> None:
        controls.switch(group.key, group.title, is_on=True)
        controls.model(group.key, Offered(choices=[("one", "one"), ("two", "two")], chosen="one"))
        controls.settings(group, group.settings())

    laid_out(lay_out)
    updates = dict(zip(controls.names, controls.updates({"wd14": "", "general_threshold": 0.6}), strict=True))
    assert updates["wd14_on"] is False
    assert updates["wd14"]["__type__"] == "update"
    assert "value" not in updates["wd14"]
    assert updates["general_threshold"] == 0.6


def test_words_and_presets_are_offered_with_all_their_values() -> None:
    controls = Controls()
    group = group_of("blip", "captioner")
    laid_out(lambda: controls.settings(group, group.settings()))
    length, preset = controls.combinations
    words = ("Short", "Balanced", "Detailed", "Fitted")
    assert length.box.choices == [(word, word.lower()) for word in words]
    assert length.box.value == "short"
    others = {"whole_phrases": True, "fit_length": False}
    assert length.table["detailed"] == {"min_length": 24, "max_length": 60, **others}
    assert length.table["fitted"] == {"min_length": 5, "max_length": 60, **others, "fit_length": True}
    assert preset.table == {name: preset.to_mapping() for name, preset in PRESETS.items()}
    assert preset.box.value == "blip-paper"
    assert [title for title, _ in preset.box.choices] == [
        *("EveryDream beam", "EveryDream nucleus", "Smart Pre-Process", "BLIP paper", "Custom")
    ]
    assert all(f'"{name}": ' in controls.combination_js(preset) for name in PRESETS)


UNKNOWN_WORDS = ("greedy", "beams", "flavor", "trending", "mcut", "nucleus", "top_p", "top-p", "n-gram", "penalty")


def test_what_is_shown_at_once_is_said_in_words_that_everybody_knows() -> None:
    for group in setting_groups():
        shown = [field for field in group.settings.fields() if field.name in group.settings.first_fields]
        said = [word for field in shown for word in (field.title, field.plain_help, *field.options)]
        if levels := group.settings.levels():
            said += [levels.title, levels.help, *levels.values]
        text = " ".join([group.title, group.about, *said]).lower()
        assert [word for word in UNKNOWN_WORDS if word in text] == [], group.title
        assert "Prefix" not in [field.title for field in shown]


def test_first_fields_stand_before_the_others_which_lie_under_more() -> None:
    controls = Controls()
    group = next(group for group in setting_groups() if group.key == "recipe")
    laid_out(lambda: controls.settings(group, group.settings()))
    assert controls.names[0] == "prefix", "the trigger word"
    assert set(controls.names) == {declared.name for declared in group.fields()}
    parents = {name: type(component.parent.parent).__name__ for name, component in controls.components.items()}
    assert parents["separator"] == "Accordion"
    assert parents["max_tokens"] != "Accordion"


def test_one_name_twice_is_a_bug() -> None:
    controls = _controls()
    with pytest.raises(ValueError, match="two controls are called count"):
        laid_out(lambda: controls.field(Everything.fields()[0]))
