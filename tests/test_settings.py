"""captioner.settings: a field declares its range once, and an instance is always valid."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from captioner.captions.groups import setting_groups
from captioner.errors import SettingsError
from captioner.settings import Effect, Field, Settings, choice, real, switch, whole, words


class Sample(Settings):
    """One field of each kind."""

    count: int = whole(3, 1, 20, "How many.", unit="beams")
    share: float = real(0.5, 0.0, 1.0, "Which share.", effect=Effect.COMPOSE)
    is_on: bool = switch(True, "On or off.")
    method: str = choice("beam", ("beam", "nucleus"), "Which way.")
    text: str = words("", "Any text.", max_length=5, label="Some text")


class Ordered(Settings):
    """Two fields that must agree."""

    low: int = whole(1, 0, 9, "The lower one.")
    high: int = whole(5, 0, 9, "The upper one.")

    def check_together(self) -> None:
        if self.low > self.high:
            raise SettingsError(f"low is {self.low} and high is {self.high}; low must not be above high.")


ALL_FIELDS = [(group.settings, field) for group in setting_groups() for field in group.settings.fields()]
OWNERS = [group.settings for group in setting_groups()]
IDS = [field.name for _, field in ALL_FIELDS]


def test_defaults_make_an_instance() -> None:
    assert Sample().to_mapping() == {"count": 3, "share": 0.5, "is_on": True, "method": "beam", "text": ""}


def test_instances_are_frozen_comparable_and_hashable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Sample().count = 4  # type: ignore[misc]
    assert Sample(count=4) == Sample().replaced(count=4)
    assert len({Sample(), Sample(), Sample(count=4)}) == 2


@pytest.mark.parametrize(("settings", "field"), ALL_FIELDS, ids=IDS)
def test_every_field_refuses_half_a_character_and_numbers_without_end(settings: type[Settings], field: Field) -> None:
    for value in ("\ud83d", 10**400, -(10**400), math.inf, math.nan):
        with pytest.raises(SettingsError, match=field.name):
            settings.from_mapping({field.name: value})
        if isinstance(value, int):
            with pytest.raises(SettingsError, match=field.name):
                field.parse("half \ud83d" if field.kind is str else "9" * 400)


def test_fields_are_named_only() -> None:
    with pytest.raises(TypeError):
        Sample(3)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count is 0; it must be a whole number between 1 and 20 beams."),
        ({"count": 21}, "count is 21; it must be a whole number between 1 and 20 beams."),
        ({"count": 2.5}, "count is 2.5; it must be a whole number"),
        ({"count": True}, "count is True; it must be a whole number"),
        ({"count": "3"}, "count is '3'; it must be a whole number"),
        ({"count": None}, "count is None; it must be a whole number"),
        ({"count": math.nan}, "count is nan;"),
        ({"share": math.nan}, "share is nan; it must be a number between 0 and 1."),
        ({"share": math.inf}, "share is inf;"),
        ({"share": -math.inf}, "share is -inf;"),
        ({"share": 1.0000001}, "share is 1.0000001;"),
        ({"share": [0.5]}, "share is [0.5];"),
        ({"is_on": 1}, "is_on is 1; it must be true or false."),
        ({"is_on": "true"}, "is_on is 'true'; it must be true or false."),
        ({"method": "greedy"}, "method is 'greedy'; it must be one of beam, nucleus."),
        ({"method": 1}, "method is 1; it must be one of beam, nucleus."),
        ({"count": 10**400}, "count is a number of about 400 digits; it must be a whole number between 1 and 20"),
        ({"share": -(10**5000)}, "share is a number of about 5,000 digits"),
        ({"text": "a\ud83d"}, r"text holds half a character (U+D83D) at position 2; delete it and type it again."),
        ({"text": "123456"}, "text is '123456'; it must be text of at most 5 characters."),
        ({"text": 5}, "text is 5; it must be text of at most 5 characters."),
    ],
)
def test_a_value_that_is_not_allowed_names_field_value_and_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Sample.from_mapping(values)
    assert str(caught.value).startswith(message)


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        Sample(text="x" * 100_000)
    assert len(str(caught.value)) < 200


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="cuont is not a setting here; the settings are count, is_on, method"):
        Sample.from_mapping({"cuont": 3})


def test_values_take_the_fields_own_type() -> None:
    settings = Sample(count=4.0, share=1)
    assert (settings.count, type(settings.count)) == (4, int)
    assert (settings.share, type(settings.share)) == (1.0, float)


def test_rules_between_fields_are_checked_on_creation_and_on_change() -> None:
    with pytest.raises(SettingsError, match="low is 6 and high is 5"):
        Ordered(low=6)
    with pytest.raises(SettingsError, match="low is 1 and high is 0"):
        Ordered().replaced(high=0)


def test_a_mapping_can_hold_the_fields_of_one_effect() -> None:
    assert Sample().to_mapping(Effect.COMPOSE) == {"share": 0.5}
    assert list(Sample().to_mapping(Effect.RUN)) == ["count", "is_on", "method", "text"]


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("count", "7", 7),
        ("share", "0.25", 0.25),
        ("share", "1e-1", 0.1),
        ("is_on", "no", False),
        ("is_on", "ON", True),
        ("method", "nucleus", "nucleus"),
        ("text", "", ""),
    ],
)
def test_words_of_a_command_line_are_understood(name: str, word: str, value: Any) -> None:
    field = next(field for field in Sample.fields() if field.name == name)
    assert field.parse(word) == value


@pytest.mark.parametrize(("name", "word"), [("count", "3.0"), ("count", ""), ("share", "half"), ("is_on", "maybe")])
def test_other_words_are_refused(name: str, word: str) -> None:
    field = next(field for field in Sample.fields() if field.name == name)
    with pytest.raises(SettingsError, match=f"{name} is {word!r}; it must be"):
        field.parse(word)


def test_a_field_may_need_one_of_several_values_of_another() -> None:
    field = Field(name="seed", only_when=("method", ("dice", "lots")))
    idle = {word: field.is_idle({"method": word}) for word in ("dice", "lots", "cards")}
    assert idle == {"dice": False, "lots": False, "cards": True}
    assert not field.is_idle({}), "nothing is said of the other"
    assert field.needed_text == "dice or lots"


def test_flag_and_title_come_from_the_name() -> None:
    fields = {field.name: field for field in Sample.fields()}
    assert (fields["is_on"].flag, fields["is_on"].title) == ("--is-on", "Is on")
    assert fields["text"].title == "Some text"


# What must hold of every settings class of the product


@pytest.mark.parametrize("owner", OWNERS, ids=[owner.__name__ for owner in OWNERS])
def test_words_of_a_first_choice_set_allowed_values_and_the_defaults_have_one(owner: type[Settings]) -> None:
    names = [field.name for field in owner.fields()]
    assert set(owner.first_fields) <= set(names)
    levels = owner.levels()
    if levels is None:
        return
    defaults = owner.from_mapping({}).to_mapping()
    for values in levels.values.values():
        owner.from_mapping(values)
    assert [word for word, values in levels.values.items() if values.items() <= defaults.items()]
    assert len({frozenset(values) for values in levels.values.values()}) == 1, "each word sets the same fields"


@pytest.mark.parametrize(("owner", "field"), ALL_FIELDS, ids=IDS)
def test_every_field_says_what_it_does_and_has_an_allowed_default(owner: type[Settings], field: Field) -> None:
    assert field.help.endswith(".") and field.help[0].isalnum() and "\n" not in field.help
    assert field.check(field.default) == field.default
    assert json.loads(json.dumps(field.default)) == field.default
    if field.only_when is not None:
        other, needed = field.only_when
        master = next(candidate for candidate in owner.fields() if candidate.name == other)
        assert needed and set(needed) < set(master.options)


@pytest.mark.parametrize(("owner", "field"), ALL_FIELDS, ids=IDS)
def test_every_field_refuses_what_is_outside_its_range(owner: type[Settings], field: Field) -> None:
    bad: list[Any] = [None, [], math.nan, math.inf]
    if field.minimum is not None and field.maximum is not None:
        bad += [field.minimum - 1, field.maximum + 1, "1", True]
        for edge in (field.minimum, field.maximum):
            assert field.check(edge) == edge
    elif field.kind is str:
        bad += [1, "x" * (field.max_length + 1)] + (["no such word"] if field.options else [])
    for value in bad:
        with pytest.raises(SettingsError, match=f"^{field.name} is "):
            owner.from_mapping({field.name: value})


@pytest.mark.parametrize("group", setting_groups(), ids=lambda group: group.key)
def test_a_slider_can_stand_on_each_default_and_on_each_preset(group: Any) -> None:
    values = [group.settings(), *group.settings.presets().values()]
    off = [
        (field.name, getattr(value, field.name))
        for value in values
        for field in group.settings.fields()
        if field.step and not _is_on_a_step(getattr(value, field.name), field)
    ]
    assert not off


def _is_on_a_step(value: float, field: Field) -> bool:
    assert field.minimum is not None
    assert field.step is not None
    steps = (value - field.minimum) / field.step
    return math.isclose(steps, round(steps), abs_tol=1e-6)


@pytest.mark.parametrize("group", setting_groups(), ids=lambda group: group.key)
def test_every_class_goes_to_json_and_back(group: Any) -> None:
    settings = group.settings.from_mapping({})
    assert group.settings.from_mapping(json.loads(json.dumps(settings.to_mapping()))) == settings
