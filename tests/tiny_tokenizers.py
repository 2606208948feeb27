"""Tokenizer files of a few words, made here: SentencePiece's as T5 has it, and a tokenizer.json of one token a word."""

from __future__ import annotations

import json
import struct


def tiny_spiece() -> bytes:
    """Knows "a", "cat" and "s" behind words; a sign that is not known is one token, neighbours of the kind together."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0), ("▁a", -2.0), ("▁cat", -2.0), ("s", -3.0)]
    model = b"".join(_field(1, _field(1, text.encode()) + b"\x15" + struct.pack("<f", score)) for text, score in pieces)
    return model + _field(2, b"\x18\x01") + _field(3, _field(1, b"nmt_nfkc"))


def tiny_json(**model: object) -> bytes:
    """One token a word, and the end of the text as one more, which a caption's count leaves out."""
    words = {"type": "WordLevel", "vocab": {"<unk>": 0, "cat": 1, "</s>": 2}, "unk_token": "<unk>", **model}
    end = {"id": "</s>", "type_id": 0}
    post = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": end}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
    }
    cut = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    return json.dumps(
        {
            "version": "1.0",
            "model": words,
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": post,
            "truncation": cut,
        }
    ).encode()


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content
