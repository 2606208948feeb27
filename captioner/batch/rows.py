"""What became of a picture, as one row of the result: the same for all targets."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from captioner.batch.columns import load_parquet
from captioner.captions.caption_kinds import kind_title
from captioner.captions.layers import of_plan, selected_tags
from captioner.captions.plan import Plan
from captioner.captions.tokens import count_tokens
from captioner.limits import without_halves
from captioner.pipeline import Captioned

Row = dict[str, Any]


def row_of(key: str, captioned: Captioned, plan: Plan) -> Row:
    """key: the picture's path relative to SOURCE. tags: those that pass the settings, with scores. tokens: as CLIP
    counts them. models: (family, name, weights' digest) of those that spoke. kept: the caption is the one that came
    along. kinds: captions of other kinds. error_code, error_message: why there is no caption; "" where there is one.
    """
    caption, error = captioned.caption, captioned.error
    said = (layer.sentence.text for layer in of_plan(captioned.layers, plan) if layer.sentence is not None)
    return {
        "key": without_halves(key),
        "caption": without_halves(caption.text) if caption else "",
        "sentence": without_halves(next(said, "")),
        "tags": [
            {"name": without_halves(tag.name), "score": round(tag.score, 6), "source": tag.source}
            for tag in selected_tags(captioned.layers, plan)
        ],
        "tokens": count_tokens(caption.text) if caption else 0,
        "models": [
            {"family": layer.family, "name": layer.model, "revision": layer.model_revision}
            for layer in captioned.layers
        ],
        "kept": captioned.was_kept,
        "kinds": [{"kind": kind_title(kind), "caption": text} for kind, text in captioned.kinds.items()],
        "error_code": error.code if error else "",
        "error_message": without_halves(str(error)) if error else "",
    }


def as_jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A JSON object a line."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A Parquet file of one row group. Raises: MissingPackage: pyarrow is not installed."""
    parquet = load_parquet("parquet")
    import pyarrow

    text = pyarrow.string()
    tag = pyarrow.struct([("name", text), ("score", pyarrow.float32()), ("source", text)])
    model = pyarrow.struct([("family", text), ("name", text), ("revision", text)])
    kind = pyarrow.struct([("kind", text), ("caption", text)])
    schema = pyarrow.schema(
        [
            *(("key", text), ("caption", text), ("sentence", text), ("tags", pyarrow.list_(tag))),
            *(("tokens", pyarrow.int32()), ("models", pyarrow.list_(model)), ("kept", pyarrow.bool_())),
            *(("kinds", pyarrow.list_(kind)), ("error_code", text), ("error_message", text)),
        ]
    )
    data = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([*rows], schema=schema), data, compression="zstd")
    return data.getvalue()
