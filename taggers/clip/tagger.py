"""CLIP interrogation: pictures -> the words of each vocabulary that fit best, with similarities.

A model folder holds `open_clip_config.json` and `open_clip_model.safetensors`, and may hold its own vocabularies.
Imports nothing heavy. Beside it: `loading` makes a folder a model, `text` runs the text tower, `pictures` makes the
picture tower faster, `labels` keeps label embeddings on disk, `ranking` ranks them, `prompts` makes prompts,
`published` and `pairs` know what the hub has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from captioner.contract import ModelSpec, PictureInput, Readable, Tagger
from captioner.errors import BadModel
from captioner.models.cards import put_on
from captioner.models.memory import in_halves
from captioner.models.weights import fingerprinting
from captioner.readings import Opinion
from captioner.records import Forecast, Preparing, Tag
from taggers import vocabularies
from taggers.clip import loading, pairs
from taggers.clip.labels import Embeddings, LabelCache, TowerEncoder, sample_of
from taggers.clip.modes import prompt_by_mode
from taggers.clip.opinions import Background, PictureMemory, WordTokens, opinions
from taggers.clip.prompts import Prompt
from taggers.clip.published import download_mb, fetch_steps
from taggers.clip.ranking import Labels, PictureScorer, Table, matrix_on
from taggers.clip.settings import ClipSettings
from taggers.thresholds import above, best_of_each
from taggers.vocabularies import Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_SAMPLE = 48
"""Labels that a forecast embeds to measure the speed."""

# Pictures a run. More than one gains nothing on a CPU.
_CPU_BATCH = 1
_CUDA_BATCH = 32


class ClipTagger(Tagger):
    """An open_clip model with its vocabularies."""

    family: ClassVar[str] = "clip"
    title: ClassVar[str] = "CLIP"
    about: ClassVar[str] = "Words for style, medium, artist and mood, by how well they fit."
    Settings: ClassVar[type[ClipSettings]] = ClipSettings
    other_names: ClassVar[str] = "an open_clip name such as ViT-B-32/laion2b_s34b_b79k"
    can_compare: ClassVar[bool] = True
    may_work_beside: ClassVar[bool] = True
    may_be_shared: ClassVar[bool] = True

    def __init__(
        self,
        model: Any,
        preprocess: Callable[[Image], Tensor],
        tokenizer: Callable[[Sequence[str]], Tensor],
        vocabularies: Mapping[str, Vocabulary],
        *,
        device: str,
        revision: str,
        tag: tuple[str, str] | None = None,
    ) -> None:
        """Args:
        model, preprocess, tokenizer: open_clip's, the model in evaluation mode on `device`; its picture tower is made
            faster in place.
        tag: open_clip's architecture and pretrained pair, where the weights are known.
        """
        from taggers.clip.pictures import speed_up

        speed_up(model)
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self.vocabularies = dict(vocabularies)
        self._device = device
        self._revision = revision
        self._tag = tag
        self._cache = LabelCache(revision)
        self._memory = PictureMemory()
        self._word_tokens = WordTokens(tokenizer)
        self._labels: Labels | None = None
        self._own: tuple[str, Labels] | None = None  # the last vocabulary of a person's own that was asked for, by name
        self._seconds_a_label: float | None = None  # measured on first use
        self._lock = threading.RLock()  # several threads may ask at once
        self._text_tower: Any = None  # made on first use: with cached labels, rank needs none

    @classmethod
    def spec_for(cls, name: str) -> ModelSpec | None:
        """What an open_clip "architecture/pretrained" name stands for; None for a name of another kind.

        Raises: ModelNotFound, MissingPackage: as `pairs.spec_for`.
        """
        return pairs.spec_for(name)

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model in a folder, ready on `device`. Labels are embedded on first use, or by `prepare_steps`.

        Raises: BadModel, MissingPackage: as `Model.load`. BadVocabulary: the folder's own words.
        """
        folder = Path(place)
        with fingerprinting(folder / loading.WEIGHTS) as revision:  # while torch is imported too
            config = loading.read_config(folder)
            words = vocabularies.for_model(folder)
            model, preprocess, tokenizer = loading.build(folder, config, device, spec)
            return cls(
                model,
                preprocess,
                tokenizer,
                words,
                device=device,
                revision=revision(),
                tag=spec.tag if spec else None,
            )

    @property
    def device(self) -> str:
        """Where its weights are."""
        return self._device

    @property
    def precision(self) -> str:
        """fp16 where it was loaded on CUDA, fp32 on the CPU; label similarities are fp32 on both."""
        import torch

        return "fp16" if any(p.dtype is torch.float16 for p in self._model.parameters()) else "fp32"

    @property
    def runtime(self) -> str:
        """open_clip models run in torch."""
        return "torch"

    @property
    def revision(self) -> str:
        """Fingerprint of the safetensors file."""
        return self._revision

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights, of the label matrix, and of copies of the text weights while texts are encoded."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        tensors += [labels.matrix for labels in self._in_memory()]
        text_tower = self._text_tower  # read once: another thread may ask while it is let go
        copies = text_tower.size_bytes if text_tower is not None else 0
        held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return int(copies + held + self._memory.size_bytes)

    def release_memory(self) -> None:
        """Let go of the pictures that it remembers, and of the copies that encode texts faster."""
        self._memory.clear()
        self._text_tower = None

    def remember_more(self, more_bytes: int) -> None:
        """Bound what is remembered of pictures."""
        self._memory.grow_at_most(more_bytes)

    def move_to(self, device: str) -> None:
        """Bring weights and label matrix to a device, in the precision they have."""
        self._memory.clear()
        put_on(self._model, device)
        for labels in self._in_memory():
            labels.matrix = labels.matrix.to(device)
        self._device = device
        self._seconds_a_label = None
        self._text_tower = None

    def _in_memory(self) -> list[Labels]:
        labels, own = self._labels, self._own  # read once: another thread may ask meanwhile
        return [*([labels] if labels else []), *([own[1]] if own else [])]

    def forecast(self, settings: ClipSettings, clock: Callable[[], float] = time.perf_counter) -> Forecast:
        """The labels that `prepare_steps` would still embed; measures the speed once, which takes a second."""
        missing = {vocabulary: self._cache.missing(vocabulary) for vocabulary in self._not_at_hand(settings)}
        count = sum(missing.values())
        if count == 0:
            return Forecast(0, "labels to embed", 0.0)
        if self._seconds_a_label is None:
            sample = sample_of(missing, _SAMPLE)
            encoder = self._label_encoder()
            encoder.embed(encoder.tokenize(sample[:4]))  # the first run makes the text tower and wakes the device
            start = clock()
            encoder.embed(encoder.tokenize(sample))
            self._seconds_a_label = (clock() - start) / len(sample)
        return Forecast(count, "labels to embed", self._seconds_a_label * count, sum(self.published().values()))

    def published(self) -> dict[str, int]:
        """The vocabularies still to be embedded whose embeddings can be fetched instead: kind -> megabytes."""
        if self._tag is None or self._labels is not None:
            return {}
        return {
            kind: download_mb(self._tag, vocabulary)
            for kind, vocabulary in self.vocabularies.items()
            if vocabulary.is_public and self._cache.missing(vocabulary)
        }

    def prepare(self, settings: ClipSettings) -> None:
        """Embed the labels that are not cached yet."""
        for _ in self.prepare_steps(settings):
            pass

    def prepare_steps(self, settings: ClipSettings, *, published: bool = False) -> Iterator[Preparing]:
        """Embed the labels that are not cached yet, a few seconds a step; what is done when it is closed is kept.

        Args: published: fetch published embeddings first instead of computing those. Asks the hub, so only when the
            person wants it.
        Raises: ModelNotFound, BadModel: as `published.fetch_steps`, or the embeddings are of other weights.
            BadVocabulary: the settings' own vocabulary is not there.
        """
        if published:
            yield from self._fetch()
        if self._labels is None:
            self._labels = yield from self._embed(tuple(self.vocabularies.values()))
        own = self._own_not_at_hand(settings)
        if own is not None:
            self._own = settings.own_vocabulary, (yield from self._embed([own]))

    def _fetch(self) -> Iterator[Preparing]:
        """Keep the published embeddings in the cache."""
        sizes_mb = self.published()
        encoder = self._label_encoder()
        before_mb = 0
        for kind, size_mb in sizes_mb.items():
            vocabulary = self.vocabularies[kind]
            assert self._tag is not None
            with closing(fetch_steps(self._tag, vocabulary)) as steps:
                while True:
                    try:
                        done_mb = min(next(steps)[0] // 1_000_000, size_mb)
                    except StopIteration as end:
                        embeds: Embeddings = end.value
                        break
                    yield Preparing(before_mb + done_mb, sum(sizes_mb.values()), "MB")
            # The hash vouches for the labels; that they are of these weights, a few labels embedded here show.
            places = [index * len(embeds) // 8 for index in range(8)]
            ours = encoder.embed(encoder.tokenize([vocabulary.labels[place] for place in places]))
            if ours.shape[1] != embeds.shape[1] or (ours * embeds[places]).sum(axis=1, dtype=np.float32).min() < 0.99:
                raise BadModel(
                    f"the published embeddings of {kind} are not of these weights, which may be a fine-tune; embed the "
                    "labels here instead."
                )
            self._cache.keep(vocabulary, embeds)
            before_mb += size_mb

    def _not_at_hand(self, settings: ClipSettings) -> list[Vocabulary]:
        """What the settings rank and is not in memory."""
        words = [] if self._labels is not None else [*self.vocabularies.values()]
        own = self._own_not_at_hand(settings)
        return words if own is None else [*words, own]

    def _own_not_at_hand(self, settings: ClipSettings) -> Vocabulary | None:
        name = settings.own_vocabulary
        if not name or (self._own is not None and self._own[0] == name):
            return None
        return vocabularies.own(name)

    def _embed(self, words: Sequence[Vocabulary]) -> Generator[Preparing, None, Labels]:
        """The labels of some vocabularies, from the cache where they are there."""
        import torch

        total = sum(len(vocabulary.labels) for vocabulary in words)
        encoder = self._label_encoder()
        done = 0
        matrices: list[Embeddings] = []
        tables: list[Table] = []
        for vocabulary in words:
            embeds = self._cache.load(vocabulary)
            if embeds is None:
                for part, finished in self._cache.compute(vocabulary, encoder):
                    embeds = finished
                    yield Preparing(done + part, total, "labels")
            assert embeds is not None
            count = len(vocabulary.labels)
            tables.append(Table(vocabulary, done, done + count, count - len({*vocabulary.labels} - {""})))
            matrices.append(embeds)
            done += count
        self._text_tower = None  # its copies of the weights are not needed until a text is to be encoded again
        # A model folder's own list of vocabularies may be empty.
        return Labels(tables, matrix_on(self._device, matrices) if matrices else torch.empty(0, 0))

    def _rankable(self, settings: ClipSettings) -> list[Labels]:
        """The model's labels, and those of the person's own vocabulary that the settings name."""
        with self._lock:
            self.prepare(settings)
            found = self._in_memory()[: 2 if settings.own_vocabulary else 1]
        return [labels for labels in found if labels.tables]

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether it has open_clip's configuration."""
        return (folder / loading.CONFIG).is_file()

    @staticmethod
    def reads(settings: ClipSettings) -> Sequence[Readable]:
        """All modes but rank go on from the captioner's sentence."""
        return () if settings.mode == "rank" else ("sentence",)

    def tag(self, inputs: Sequence[PictureInput], settings: ClipSettings) -> list[tuple[Tag, ...]]:
        """Tags with similarities. Embeds the labels first where `prepare_steps` was not run.

        Returns: for rank the best `STORED_LABELS` labels of every vocabulary, best first, whatever the maxima are; for
            the other modes what they add to the sentence, in order, with the mode as category.
        Raises: OutOfMemory: for a single picture; larger batches are halved by themselves.
        """
        labels = self._rankable(settings)
        scorers = [self._scorer(labels, row) for row in self._features(inputs)]
        if settings.mode == "rank":
            return [scorer.rank() for scorer in scorers]
        made = [prompt_by_mode(scorer, settings, shown.sentence) for scorer, shown in zip(scorers, inputs, strict=True)]
        return [
            tuple(Tag(text, score, settings.mode, self.family) for text, score in prompt.additions) for prompt in made
        ]

    def interrogate(self, picture: Image, settings: ClipSettings, sentence: str = "") -> Prompt:
        """The whole prompt that a mode other than rank makes of a sentence, as the package writes it."""
        labels = self._rankable(settings)
        (features,) = self._features([PictureInput(picture)])
        return prompt_by_mode(self._scorer(labels, features), settings, sentence)

    @staticmethod
    def select(tags: Sequence[Tag], settings: ClipSettings) -> list[Tag]:
        """In the given order: of rank's tags the best N of each vocabulary that fit well enough, of another mode's
        tags all.
        """
        if settings.mode == "rank":
            maxima = {kind: getattr(settings, kind) for kind in vocabularies.KINDS}
            if settings.own_vocabulary:
                maxima[vocabularies.OWN] = settings.own_labels
            return best_of_each(above(tags, settings.similarity_threshold), maxima)
        return [tag for tag in tags if tag.category == settings.mode]

    def _scorer(self, labels: Sequence[Labels], features: Tensor) -> PictureScorer:
        return PictureScorer(
            labels,
            features,
            tokenizer=self._tokenizer,
            encode=lambda tokens: self._text.encode_continuations(tokens),
        )

    def background_of(self, inputs: Iterable[PictureInput], before: Background | None = None) -> Background | None:
        """The mean of the pictures' features. Raises: OutOfMemory: for a single picture."""
        features = [row for shown in inputs for row in self._features([shown])]
        return Background.of(features, before) if features else before

    def opinions(
        self, shown: PictureInput, rivals: Mapping[str, Sequence[str]], background: Background | None = None
    ) -> dict[str, dict[str, Opinion]]:
        """By how much rather it would see a changed caption under the picture; see `opinions.opinions`."""
        (features,) = self._features([shown])
        return opinions(
            features,
            rivals,
            background=background,
            tokenizer=self._word_tokens,
            encode=lambda tokens: self._text.encode_variants(tokens),
            logit_scale=float(self._model.logit_scale.detach().exp()),
        )

    def preprocess_ahead(self) -> Callable[[Image], Tensor]:
        """open_clip's own transform."""
        return self._preprocess

    def _features(self, pictures: Sequence[PictureInput]) -> list[Tensor]:
        """Normalised picture features in float32, (1, width) each; a picture of late is not looked at again."""
        import torch

        dtype = torch.float16 if self.precision == "fp16" else torch.float32

        def encode(pixels: Sequence[Tensor]) -> Sequence[Tensor]:
            with torch.inference_mode():
                features = self._model.encode_image(torch.stack(list(pixels)).to(self._device, dtype)).float()
                rows: Sequence[Tensor] = (features / features.norm(dim=-1, keepdim=True)).split(1)
                return rows

        def look(part: Sequence[PictureInput]) -> Sequence[Tensor]:
            return self._memory.features([shown.as_seen(self.family, self._preprocess) for shown in part], encode)

        return in_halves(look, pictures, at_once=_CUDA_BATCH if self._device.startswith("cuda") else _CPU_BATCH)

    def _label_encoder(self) -> TowerEncoder:
        return TowerEncoder(lambda labels: self._tokenizer(list(labels)), lambda: self._text)

    @property
    def _text(self) -> Any:
        from taggers.clip.text import text_tower

        with self._lock:
            self._text_tower = found = self._text_tower or text_tower(self._model)
        return found
