"""Names with stars."""

from __future__ import annotations

import itertools
import random
import re
import time

import pytest

from captioner.captions import compose
from captioner.captions.compose import is_ignored
from captioner.captions.recipe import Recipe
from captioner.captions.wildcards import Wildcard, Wildcards
from captioner.errors import SettingsError


def test_stars_stand_for_what_a_regular_expression_says() -> None:
    numbers = random.Random(3)
    texts = ["".join(letters) for size in range(6) for letters in itertools.product("ab", repeat=size)]
    for _ in range(300):
        pattern = "".join(numbers.choice("ab**") for _ in range(numbers.randrange(7)))
        plain = re.compile("(.*)".join(map(re.escape, pattern.split("*"))))
        for text in texts:
            found = plain.fullmatch(text)
            assert Wildcard(pattern).match(text) == (None if found is None else found.groups()), (pattern, text)
            assert Wildcards(["x", pattern]).matches(text) == (found is not None)


@pytest.mark.parametrize("recipe", [Recipe(ignore="*a" * 40 + "*b"), Recipe(replace="*a" * 40 + "*b -> hat")])
def test_an_entry_of_many_stars_costs_little(recipe: Recipe) -> None:
    start = time.process_time()
    for length in range(200, 300):
        assert compose._rules(recipe).spelt["a" * length + "c"] is not None
        assert is_ignored("a" * length + "b", recipe) == bool(recipe.ignore)
    assert time.process_time() - start < 2, "0.02 s on a quiet core"


def test_a_new_name_longer_than_a_tag_is_refused() -> None:
    with pytest.raises(SettingsError, match="replace has 501 characters to put for 'a'; at most 500"):
        Recipe(replace="a -> " + "b" * 501)
