"""Servers that answer questions about pictures as captioners: the class the registry names."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from captioner.contract import ModelSpec, PictureInput
from captioner.errors import BadModel, CaptionerError, MissingPackage, ModelFailed, ModelNotFound, SomeFailed
from captioner.models.endpoint import addresses
from captioner.models.endpoint.pace import Pace
from captioner.models.endpoint.settings import EndpointSettings
from captioner.models.questions import AskedCaptioner
from captioner.records import Alternative, Sentence
from captioner.settings import Settings

if TYPE_CHECKING:
    from captioner.models.endpoint.client import Client

_PROBE = "Which colour is this picture? Answer with the name of the colour alone."


class EndpointCaptioner(AskedCaptioner):
    """Asks a server about pictures, as many at once as it answers fastest; a thin front of `client.Client`."""

    family: ClassVar[str] = "endpoint"
    title: ClassVar[str] = "Endpoint"
    about: ClassVar[str] = "A model on a server answers a question about the picture."
    Settings: ClassVar[type[Settings]] = EndpointSettings
    is_remote: ClassVar[bool] = True
    is_live: ClassVar[bool] = False
    may_work_beside: ClassVar[bool] = True

    def __init__(self, address: addresses.Address, client: Client) -> None:
        self._address = address
        self._client = client
        self._pace = Pace()
        self._most_at_once = 1  # until settings say more

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The server of a name, after it has shown on a red picture that it sees what it is sent.

        Raises: ModelNotFound: no endpoint has this name. CaptionerError, ModelFailed: as `client.Client.ask`.
            BadModel: it answers without having seen the picture.
        """
        try:
            address = addresses.find(str(place))
        except KeyError:
            raise ModelNotFound(
                f"no endpoint is called {place}; name it at the start: --endpoint {place}=URL"
            ) from None
        try:
            from captioner.models.endpoint.client import Client
        except ModuleNotFoundError as error:
            if error.name and error.name.split(".")[0] == "httpx":
                raise MissingPackage("Endpoints are asked with httpx: pip install httpx") from error
            raise
        captioner = cls(address, Client(address))
        captioner._prove_that_it_sees()
        return captioner

    def _prove_that_it_sees(self) -> None:
        from PIL import Image

        settings = EndpointSettings.from_mapping({"temperature": 0.0, "max_tokens": 64})
        said = self._client.ask(Image.new("RGB", (256, 256), (230, 10, 10)), _PROBE, settings).text
        if "red" not in said.lower():
            raise BadModel(
                f"the endpoint {self._address.name} was shown a red picture and says {said[:80]!r}: its model does not "
                "see pictures. Load one that does there (for llama.cpp, with its mmproj file)."
            )

    @property
    def device(self) -> str:
        """It takes none of this machine."""
        return "cpu"

    @property
    def precision(self) -> str:
        """Not known."""
        return ""

    @property
    def runtime(self) -> str:
        """endpoint."""
        return "endpoint"

    @property
    def revision(self) -> str:
        """Short hexadecimal digest of its address: what a server runs there it does not say."""
        return hashlib.sha256(self._address.url.encode()).hexdigest()[:12]

    @property
    def size_bytes(self) -> int:
        """Nothing here."""
        return 0

    @property
    def warning(self) -> str:
        """That pictures leave this machine, where they do."""
        return "" if self._address.is_here else f"runs elsewhere: pictures are sent to {self._address.host}"

    @property
    def batch_size(self) -> int:
        """As many as are asked at once: what was measured, and no more than the last settings allow."""
        return self._pace.at_once(self._most_at_once)

    def move_to(self, device: str) -> None:
        """There is nothing to move."""

    def caption(self, inputs: Sequence[PictureInput], settings: EndpointSettings) -> list[Sentence]:
        """One answer a picture, in order; no more are asked at once than the settings allow.

        Raises: CaptionerError: it concerns all pictures (nobody there, a wrong key). ModelFailed: of this picture.
            SomeFailed: of some of several pictures.
        """
        self._address.model(settings.model)  # one that may not be asked costs no picture
        self._most_at_once = settings.at_once
        begin_s = time.monotonic()
        with ThreadPoolExecutor(max(1, min(len(inputs), settings.at_once)), "captioner-endpoint") as asking:
            answers = list(asking.map(lambda shown: self._answer(shown, settings), inputs))
        for answer in answers:
            if isinstance(answer, CaptionerError) and (len(answers) == 1 or not isinstance(answer, ModelFailed)):
                raise answer
        said = [answer for answer in answers if isinstance(answer, Sentence)]
        if len(inputs) <= settings.at_once:
            self._pace.took(len(inputs), time.monotonic() - begin_s, is_whole=len(said) == len(inputs))
        if len(said) < len(inputs):
            raise SomeFailed(answers)
        return said

    def _answer(self, shown: PictureInput, settings: EndpointSettings) -> Sentence | CaptionerError:
        try:
            return self._client.ask(shown.image, settings.asked(shown), settings)
        except CaptionerError as error:
            return error

    @staticmethod
    def can_draw(settings: EndpointSettings) -> bool:
        """At temperature 0 the likeliest answer comes again."""
        return settings.temperature > 0

    @classmethod
    def drawing(cls, settings: EndpointSettings) -> EndpointSettings:
        """At the usual temperature where the settings have none."""
        usual = EndpointSettings.from_mapping({}).temperature
        return settings if cls.can_draw(settings) else settings.replaced(temperature=usual)

    def draw(self, shown: PictureInput, settings: EndpointSettings, *, skip: int, count: int) -> list[Alternative]:
        """The answers of the seeds that follow the settings' own, as far as the server heeds them. Raises: as
        `caption`."""
        seeds = [(settings.seed + skip + number) % 2**31 for number in range(count)]
        prompt = settings.asked(shown)
        drawn = [self._client.ask(shown.image, prompt, settings.replaced(seed=seed)) for seed in seeds]
        return [Alternative(one.text, one.score, one.finish) for one in drawn]
