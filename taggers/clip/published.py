"""Label embeddings that others computed: the public vocabularies' for the public CLIP models, checked before use.

The clip-interrogator project publishes them on the hub, so that a CPU need not compute for half an hour. Only its
safetensors files are ever asked for; older ones there are pickles.
"""

from __future__ import annotations

from collections.abc import Generator

from captioner.contract import ModelSpec
from captioner.errors import BadModel
from captioner.models.download import cached_folder, download_steps
from taggers.clip.labels import Embeddings, read_embeddings
from taggers.vocabularies import Vocabulary

REPOSITORY = "pharmapsychotic/ci-preprocess"

# Bytes of a label's features; the number of labels is the vocabulary's.
_WIDTHS = {"ViT-L-14": 768, "ViT-H-14": 1024}


def file_name(tag: tuple[str, str], kind: str) -> str:
    """What the file is called there. tag: open_clip's architecture and pretrained pair.

    The project names OpenAI's weights without "-quickgelu": open_clip's former releases built them right by either
    name.
    """
    architecture, pretrained = tag
    name = f"{architecture.removesuffix('-quickgelu')}/{pretrained}_{kind}"
    return name.replace("/", "_").replace("@", "_") + ".safetensors"


def download_mb(tag: tuple[str, str], vocabulary: Vocabulary) -> int:
    """About how many megabytes fetching takes."""
    width = _WIDTHS.get(tag[0].removesuffix("-quickgelu"), 1024)
    return max(1, round(len(vocabulary.labels) * width * 2 / 1e6))


def fetch_steps(tag: tuple[str, str], vocabulary: Vocabulary) -> Generator[tuple[int, int], None, Embeddings]:
    """A vocabulary's published embeddings, from the Hugging Face cache or the hub.

    Yields: the bytes downloaded so far, a few times a second. Returns: the embeddings.
    Raises:
        ModelNotFound: the hub cannot be reached or has none for this model.
        BadModel: the file is damaged or of other labels (its hash differs).
    """
    name = file_name(tag, vocabulary.kind)
    spec = ModelSpec(
        name=f"the file of label embeddings {name}",
        kind="tagger",
        family="clip",
        entry="",
        repo=REPOSITORY,
        files=(name,),
        licence="MIT",
        download_mb=download_mb(tag, vocabulary),
        about="label embeddings",
    )
    folder = cached_folder(spec)
    if folder is None:
        folder = yield from download_steps(spec, otherwise="or embed the labels here")
    path = folder / name
    try:
        return read_embeddings(path, vocabulary)
    except ValueError as error:
        raise BadModel(
            f"{path} from {REPOSITORY} cannot be used: {error}. Delete it to fetch it again, or embed the labels here."
        ) from error
