"""Captions that went wrong are found, and ordinary ones are left in peace."""

from __future__ import annotations

import time

import pytest

from captioner.glitches import GLITCHES, find_glitch

WRONG = {
    "empty": ["", "  \n"],
    "thinking": [
        "<think>The picture has a dog",
        "It is a dog.</think> A dog on grass.",
        "Okay, so I need to describe this. There is a dog.",
        "The user wants a caption of a dog.",
        "Let me think about what is in the picture.",
        "Got it, let's look at the picture.",
        "◁think▷ a dog",
    ],
    "refusal": [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I can’t describe people.",
        "I cannot assist with this request.",
        '"I can\'t help with that."',
        "I am unable to identify people in pictures.",
        "A photo. As an AI language model, I have no opinion.",
        "Unfortunately, I cannot describe this.",
        "Sorry, but I won't do that.",
        "I don't see any image in your message.",
        "Please provide the image.",
        "抱歉，我无法描述这张图片。",
        "Lo siento, no puedo.",
    ],
    "character": [
        "!!!!!!!!!!",
        "A dog!!!!!!",
        "! ! ! ! ! ! ! !",
        "a catttttttttttt",
        "................................................",
        "的的的的的的的的",
    ],
    "loop": [
        "a dog with a dog with a dog with a dog with a dog",
        "very " * 7,
        "a man in a red hat, a man in a red hat, a man in a red hat",
        "There is a dog in the picture. It sleeps. There is a dog in the picture. There is a dog in the picture.",
        "1girl, " + "long hair, blue eyes, " * 8,
        ", ".join(["red", "green", "blue", "grey", "black", "white"] + ["red", "blue", "green", "grey"] * 3),
        "一只狗在草地上一只狗在草地上一只狗在草地上",
    ],
}
RIGHT = [
    "a dog",
    "a red car and a red bike beside a red house with a red door and a red roof",
    "a very, very, very big dog",
    "row after row after row of tents, one after another",
    "1girl, solo, long hair, blue eyes, blue hair, blue dress, blue ribbon, white shirt, white socks, :3, ^_^, !?, ...",
    "The sign reads \"I'm sorry, I can't help you\" in red letters.",
    "A poster with the words “!!!!!!!!!!” and “NOOOOOOOO”.",
    "A man holds a sign. I can see a dog behind him, and I cannot make out its collar.",
    "Two people talk; one says I'm sorry to the other.",
    "A woman thinking, her hand on her chin. The userbar below is empty.",
    "A license plate with 1000000 on it, and a dotted line ........ below.",
    "The first shelf holds a cup, the second shelf holds a plate, the third shelf holds a bowl, the fourth a jug.",
    "There is a tree on the left. There is a tree on the right. Between them a girl sits on a bench and reads.",
    "ha ha ha, laughs the clown",
    "So the light falls from the left onto a bowl of fruit.",
    "Let me go, says the speech bubble of a boy.",
    "As an airplane passes, people look up.",
    "I cannot help but smile at this puppy",
    "Unfortunately placed, a pole stands before the church.",
    "Sorry-looking flowers in a vase; an apology of a garden.",
    "no humans, no background, simple background, white background, grey background, from above, from below, from side",
    "dog, dog, dog",
    "A man in a hat, a man in a coat, a man in a suit, and a man in a shirt wait in a line.",
]


@pytest.mark.parametrize(("glitch", "text"), [(glitch, text) for glitch, texts in WRONG.items() for text in texts])
def test_what_went_wrong_is_found(glitch: str, text: str) -> None:
    assert find_glitch(text) == glitch


@pytest.mark.parametrize("text", RIGHT)
def test_an_ordinary_caption_raises_no_alarm(text: str) -> None:
    assert find_glitch(text) is None


def test_a_cut_is_told_by_who_cut_and_is_the_least() -> None:
    assert find_glitch("a dog on a", is_cut=True) == "cut"
    assert find_glitch("a dog on a") is None
    assert find_glitch("!!!!!!!!!!", is_cut=True) == "character"
    assert next(iter(GLITCHES)) == "empty" and list(GLITCHES)[-1] == "cut"


def test_the_longest_caption_is_looked_at_quickly() -> None:
    texts = ["a b c d " * 1200, "x" * 10_000, "".join(f"w{number} " for number in range(2000)), '"' * 10_000]
    start_s = time.process_time()
    for text in texts:
        find_glitch(text)
    assert time.process_time() - start_s < 2, "a pattern that backtracks takes minutes"
