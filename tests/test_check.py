"""captioner.formats.check and `python -m captioner check`: what each trainer stumbles over, rule by rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.captions.bulk import operation_of
from captioner.captions.bulk.operation import Material
from captioner.captions.tokens import count_tokens
from captioner.formats.check import check_set
from captioner.formats.check_rules import RULES, TRAINERS, Rule
from captioner.formats.checked import Checked, Question
from captioner.formats.trainers.registry import TARGETS
from tests.shell import Shell

EIGHT = ("kohya", "musubi", "ai-toolkit", "onetrainer", "simpletuner", "diffusion-pipe", "everydream2", "diffusers")


def picture(name: str = "a.png", text: str | None = "a cat", **values: Any) -> Checked:
    return Checked(path=name, name=name, text=text, **values)


def levels(rule: str, *pictures: Checked, model: str = "sdxl", **asked: Any) -> str:
    """A letter for each of the eight trainers: E, W or -."""
    shown = ""
    for trainer in EIGHT:
        question = Question(trainer=trainer, base_model=model, **asked)
        found = {finding.rule.key: finding for finding in check_set(pictures, question)}
        shown += found[rule].level[0].upper() if rule in found else "-"
    return shown


OTHER = picture("z.png", "another caption")
MATRIX = [
    ("empty", picture(text=""), "WWWWEWEW"),
    ("missing", picture(text=None), "WEWWEEEE"),
    ("lines", picture(text="one\ntwo"), "WWWWWWW-"),
    ("type", picture("a.gif"), "EEEE--E-"),
    ("type", picture("a.tif"), "EEE---E-"),
    ("type", picture("a.jfif"), "EEEE----"),
    ("type", picture("a.avif"), "E-E---E-"),
    ("type", picture("a.bmp"), "--E-----"),
    ("case", picture("a.Jpg"), "EE------"),
    ("frames", picture(notes=("only the first of its frames",)), "-----E--"),
    ("turned", picture(notes=("rotated by EXIF",)), "EE--WE--"),
    ("alpha", picture(notes=("transparency on white",)), "WWWW--WW"),
    ("specials", picture(text="a cat <|endoftext|> dog"), "WWWWWWWW"),
    ("escapes", picture(text=r"cat \(animal\)"), "WWWWWW--"),
    ("quotes", picture(text="a “cat”"), "--WWW--W"),
    ("signs", picture(text="{a|b}"), "W-------"),
    ("placeholders", picture(text="[trigger] cat"), "--W-----"),
    ("tags", picture(text="a, b, b"), "W-W---E-"),
    ("tags", picture(text="a,, b"), "W-W---E-"),
    ("tags", picture(text="a, b,"), "W-W---E-"),
    ("tags", picture(text="a cat, a dog"), "--------"),
    ("names", picture("a-masklabel.png"), "---E----"),
    ("names", picture("multiply.png"), "------E-"),
    ("borrowed", picture("x_1_2_3_4.png", None), "E-------"),
    ("hidden", picture(".a.png"), "--E---E-"),
    ("suffix", picture(caption_suffix=".caption"), "WEEEEE--"),
    ("mark", picture(has_mark=True), "WWWWWWW-"),
    ("encoding", picture(caption_error="no"), "EEEEEEEE"),
    ("picture", picture(picture_error="no"), "EEEEEEEE"),
]


@pytest.mark.parametrize(("rule", "one", "expected"), MATRIX, ids=[f"{row[0]} {row[1].name}" for row in MATRIX])
def test_each_trainer_stumbles_over_what_it_stumbles_over(rule: str, one: Checked, expected: str) -> None:
    assert levels(rule, one, OTHER) == expected
    assert levels(rule, picture(), OTHER) == "--------"


def test_only_who_can_raise_the_token_limit_is_told_how() -> None:
    def advice(trainer: str, model: str) -> str:
        (found,) = check_set([picture(tokens=2000)], Question(trainer=trainer, base_model=model))
        return found.advice

    assert advice("kohya", "sdxl") == "shorten it, or raise the limit with --max_token_length 150 or 225"
    assert advice("kohya", "flux1") == advice("diffusers", "sdxl") == "shorten it"


def test_rules_about_the_whole_set() -> None:
    assert levels("equal", picture(), picture("b.png")) == "W" * 8
    assert levels("equal", picture()) == "-" * 8
    assert levels("trigger", picture(), OTHER, trigger_word="sks") == "WW-WWWWW"
    assert levels("brackets", picture(), folder="/sets/a [1]") == "-E-----E"
    assert levels("dates", picture(text="2024-01-01"), picture("b.png", "2024-01-02")) == "-------E"
    assert levels("only-avif", picture("a.avif"), picture("b.avif", "x")) == "-------E"
    assert levels("underscores", picture(text="long_hair"), OTHER, model="flux1") == "W" * 8
    assert levels("underscores", picture(text="long_hair"), OTHER, model="sdxl") == "-" * 8


@pytest.mark.parametrize(
    ("model", "tokens", "expected"),
    [("sdxl", 76, "W-WWW--W"), ("sdxl", 75, "--------"), ("sd35", 77, "---W---W"), ("sd15", 76, "W-WWW-WW")],
)
def test_the_token_limit_is_the_trainer_s_for_the_model(model: str, tokens: int, expected: str) -> None:
    assert levels("tokens", picture(tokens=tokens), OTHER, model=model) == expected


BROKEN = {
    "lines": "one\ntwo",
    "tokens": ", ".join(["a very long caption"] * 40),
    "specials": "a cat <|end<|endoftext|>oftext|>, a dog</s>",
    "escapes": r"cat \(animal\), dog \\(animal\\)",
    "quotes": "a “cat” and the dog’s",
    "tags": "a cat, b,, b, c,",
    "underscores": "long_hair, blue_eyes",
}


def test_every_mend_is_a_change_that_mends_its_rule() -> None:
    assert set(BROKEN) == {rule.key for rule in RULES if rule.mend}
    for rule in RULES:
        if not rule.mend:
            continue
        trainer = next(name for name in ("kohya", "onetrainer") if name in rule.levels)
        question = Question(trainer=trainer, base_model="flux1" if rule.key == "underscores" else "sdxl")
        text = BROKEN[rule.key]

        def found(text: str, question: Question = question, rule: Rule = rule) -> bool:
            checked = [picture(text=text, tokens=count_tokens(text)), OTHER]
            return rule.key in {finding.rule.key for finding in check_set(checked, question)}

        assert found(text), rule.key
        [after] = operation_of(rule.mend, {}).change(Material(captions=[("a.png", text)]))
        assert after.strip() and not found(after), (rule.key, after)


def test_rules_name_trainers_that_there_are() -> None:
    for rule in RULES:
        assert rule.levels and set(rule.levels) <= set(TRAINERS)
    assert len({rule.key for rule in RULES}) == len(RULES)
    assert set(EIGHT) <= set(TRAINERS)


def test_errors_come_first_with_names_and_limits() -> None:
    pictures = [picture("a.gif", "a cat", tokens=99), picture("b.gif", "a\ncat")]
    found = check_set(pictures, Question(trainer="kohya", base_model="sdxl"))
    assert [(finding.level, finding.rule.key, finding.pictures) for finding in found] == [
        ("error", "type", ("a.gif", "b.gif")),
        ("warning", "lines", ("b.gif",)),
        ("warning", "tokens", ("a.gif",)),
    ]
    assert found[2].what == "with a caption over the limit of 75 tokens"


# The command line


def set_of(shell: Shell) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    shell.picture("in/a.jpg", kind="JPEG")
    Image.new("RGB", (40, 20), "red").save(shell.folder / "in/b.jpg", exif=turned)
    Image.new("RGBA", (40, 20), (1, 2, 3, 4)).save(shell.folder / "in/c.png")
    shell.picture("in/d.png")
    (shell.folder / "in/a.txt").write_bytes(b"\xef\xbb\xbfa cat")
    (shell.folder / "in/b.txt").write_bytes("café".encode("latin-1"))
    (shell.folder / "in/c.txt").write_bytes(b"")


def test_check_tells_what_a_trainer_reads_otherwise(shell: Shell) -> None:
    set_of(shell)
    before = {path: path.read_bytes() for path in (shell.folder / "in").iterdir()}
    ran = shell("check", "in", "--for", "kohya", "--json")
    (shown,) = ran.objects
    assert (ran.status, shown["trainer"], shown["base_model"], shown["pictures"]) == (1, "kohya", "sdxl", 4)
    names = {found["rule"]: [Path(name).name for name in found["pictures"]] for found in shown["findings"]}
    assert names == {
        "encoding": ["b.jpg"],
        "turned": ["b.jpg"],
        "missing": ["d.png"],
        "empty": ["c.png"],
        "mark": ["a.jpg"],
        "alpha": ["c.png"],
    }
    shown_too = shell("check", "in", "--for", "kohya")
    assert "4 pictures for kohya's sd-scripts, to train SDXL\n" in shown_too.out
    assert "error        1 turned by an EXIF tag" in shown_too.out
    assert "mended on the way" in shown_too.out
    assert {path: path.read_bytes() for path in (shell.folder / "in").iterdir()} == before
    ran = shell("check", "in", "--for", "ai-toolkit", "--captions-only", "--exclude", "b.*")
    assert ran.status == 0 and "transparent" not in ran.out


@pytest.mark.parametrize("name", TRAINERS)
def test_a_set_that_was_exported_has_no_errors(shell: Shell, name: str) -> None:
    shell.picture("photos/Multiply.PNG")
    shell.picture("photos/b.png", "blue")
    for number, more in enumerate(([], ["--captions", "best"] if TARGETS[name].many == "list" else [])):
        shell.caption("photos", "--format", name, "--out", f"set{number}", *more)
        ran = shell("check", f"set{number}", "--recursive", "--for", name)
        assert (ran.status, ran.err) == (0, "")
        assert "2 pictures for" in ran.out and "nothing to mend" in ran.out


LONG = "cat " * 80
ELSEWHERE: list[tuple[str, dict[str, str], dict[str, list[str]]]] = [
    ("diffusers", {"metadata.csv": f"file_name,text\na.png,{LONG}\n"}, {"tokens": ["a.png"], "missing": ["b.png"]}),
    (
        "diffusers",
        {"metadata.jsonl": '{"file_name": "a.png", "text": "x"}\n{"file_name": "b.png", "text": ""}\n', "b.txt": "y"},
        {"empty": ["b.png"], "texts": ["b.png"]},
    ),
    ("diffsynth", {"metadata.json": '[{"image": "a.png", "prompt": "x </s>"}]'}, {"specials": ["a.png"]}),
    (
        "diffusion-pipe",
        {"captions.json": '{"a.png": ["a cat", "a dog </s>"], "b.png": ["a cat"]}', "a.txt": "not read {"},
        {"specials": ["a.png"]},
    ),
    ("everydream2", {"a.yaml": "main_prompt: x\ntags: [y </s>]\n", "b.txt": "z"}, {"specials": ["a.png"]}),
    ("musubi", {"set.jsonl": '{"image_path": "/d/a.png", "caption": ""}'}, {"empty": ["a.png"], "missing": ["b.png"]}),
    ("kohya", {"meta.json": '{"a.png": {"caption": "{x}"}}', "b.txt": "y"}, {"signs": ["a.png"]}),
    ("onetrainer", {"meta.json": '{"a.png": {"caption": "x"}}', "b.txt": "y"}, {"missing": ["a.png"]}),
]


@pytest.mark.parametrize(("name", "files", "expected"), ELSEWHERE, ids=[row[0] for row in ELSEWHERE])
def test_captions_are_checked_where_the_trainer_reads_them(
    shell: Shell, name: str, files: dict[str, str], expected: dict[str, list[str]]
) -> None:
    for stem in "ab":
        shell.picture(f"set/{stem}.png")
    for path, text in files.items():
        (shell.folder / "set" / path).write_text(text)
    (shown,) = shell("check", "set", "--for", name, "--json").objects
    found = {one["rule"]: [Path(path).name for path in one["pictures"]] for one in shown["findings"]}
    assert {rule: found.get(rule, []) for rule in expected} == expected
    if "missing" not in expected and name != "diffsynth":
        assert "missing" not in found


def test_a_shard_that_is_damaged_is_one_sentence(shell: Shell) -> None:
    shell.picture("set/a.png")
    shell.caption("set", "--format", "webdataset", "--out", "wds")
    shard = shell.folder / "wds/shards/00000.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    ran = shell("check", "wds", "--for", "webdataset")
    assert (ran.status, ran.out) == (2, "") and len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--for", "kohia"], "'kohia' is no export format; did you mean kohya?"),
        (["--for", "csv"], "csv is a list, which any program may read; --for takes kohya"),
        (["--for", "musubi", "--base-model", "sd15"], "musubi-tuner does not train SD 1.5; it trains qwen-image"),
        ([], "the following arguments are required: --for"),
    ],
)
def test_wrong_use_is_one_sentence(shell: Shell, words: list[str], sentence: str) -> None:
    shell.picture("in/a.png")
    ran = shell("check", "in", *words)
    assert (ran.status, ran.out) == (2, "") and sentence in ran.err
