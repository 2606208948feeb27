"""Talking to an OpenAI-compatible server: one question about one picture, and what may go wrong on the way.

Servers agree on little: an error may come under status 200, an answer may be empty, half, or thought aloud, and what a
request leaves out is not neutral everywhere. So all that matters is sent, and each answer is looked at. Imported only
by `captioner`.
"""

from __future__ import annotations

import base64
import io
import json
import re
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from PIL import Image

from captioner.errors import CaptionerError, ModelFailed
from captioner.limits import shown
from captioner.models.endpoint.addresses import Address
from captioner.models.endpoint.settings import EndpointSettings
from captioner.records import Sentence

TRIES = 5
_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_LONGEST_WAIT_S = 30.0
_CONNECT_S = 10.0
_MAX_ANSWER_BYTES = 2_000_000
_QUALITY = 92
_AGAIN = frozenset({408, 425, 429, 502, 503, 504})  # busy or loading: worth another try
_THOUGHT = re.compile(r"\A.*?</think>", re.DOTALL)
# Some servers fill these in where they are left out, and a few refuse to see them.
_NEUTRAL = {"top_k": 0, "min_p": 0, "repeat_penalty": 1.0, "repetition_penalty": 1.0}


class Client:
    """One server. Safe to use from many threads."""

    def __init__(self, address: Address, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._address = address
        self._sleep = sleep
        headers = {"Authorization": f"Bearer {key}"} if (key := address.key()) else {}
        self._http = httpx.Client(headers=headers, follow_redirects=False, trust_env=not address.is_here)
        weakref.finalize(self, self._http.close)  # a manager lets a model go without a word
        self._takes_neutral = True
        self._first_model: str | None = None

    def models(self) -> list[str]:
        """The names of the server's models, as it lists them. Raises: CaptionerError: as `ask`."""
        answer = self._asked("GET", "/v1/models", None, timeout_s=30)
        found = answer.get("data")
        return (
            [str(one["id"]) for one in found if isinstance(one, dict) and "id" in one]
            if isinstance(found, list)
            else []
        )

    def ask(self, image: Image.Image, prompt: str, settings: EndpointSettings) -> Sentence:
        """The answer to a question about a picture.

        Raises: CaptionerError (endpoint_down, endpoint_refused): it concerns all pictures: nobody there, a wrong key,
            an unknown model. ModelFailed: of this picture: too slow, empty, half, or an error of the server's.
        """
        body = self._body(image, prompt, settings)
        try:
            answer = self._asked("POST", "/v1/chat/completions", body, timeout_s=settings.timeout_s)
        except _Refused as error:
            if not self._takes_neutral or not any(name in str(error) for name in _NEUTRAL):
                raise
            self._takes_neutral = False
            for name in _NEUTRAL:
                body.pop(name, None)
            answer = self._asked("POST", "/v1/chat/completions", body, timeout_s=settings.timeout_s)
        return self._sentence(answer)

    def _body(self, image: Image.Image, prompt: str, settings: EndpointSettings) -> dict[str, Any]:
        model = self._address.model(settings.model)
        if not model and self._first_model is None:
            self._first_model = next(iter(self.models()), "")
        data = base64.b64encode(as_jpeg(image, settings.longest_edge)).decode()
        parts = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
            {"type": "text", "text": prompt},
        ]
        system = [{"role": "system", "content": settings.system}] if settings.system.strip() else []
        return {
            "model": model or self._first_model,
            "stream": False,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens,
            "seed": settings.seed,
            "messages": [*system, {"role": "user", "content": parts}],
            **(_NEUTRAL if self._takes_neutral else {}),
        }

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None, *, timeout_s: float) -> dict[str, Any]:
        """The JSON object that the server answers with, after as many tries as are worth it."""
        until = time.monotonic() + timeout_s
        for number in range(TRIES):
            is_last = number == TRIES - 1
            try:
                status, headers, text = self._answered(method, path, body, until)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                if time.monotonic() >= until:
                    raise self._too_slow(timeout_s) from error
                if is_last:
                    raise self._down(error) from error
                wait_s = _WAITS_S[number]
            else:
                if status not in _AGAIN or is_last:
                    return self._object(status, text)
                wait_s = _asked_wait_s(headers) or _WAITS_S[number]
            if time.monotonic() + wait_s >= until:
                raise self._too_slow(timeout_s)
            self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _answered(
        self, method: str, path: str, body: Mapping[str, Any] | None, until: float
    ) -> tuple[int, httpx.Headers, bytes]:
        left_s = max(until - time.monotonic(), 0.05)
        timeout = httpx.Timeout(left_s, connect=min(_CONNECT_S, left_s))
        with self._http.stream(method, self._address.url + path, json=body, timeout=timeout) as response:
            text = b""
            for piece in response.iter_bytes():
                text += piece
                if len(text) > _MAX_ANSWER_BYTES:
                    raise ModelFailed(f"{self._name} answered with more than {_MAX_ANSWER_BYTES:,} bytes; {_NO_MORE}")
                if time.monotonic() >= until:
                    raise httpx.ReadTimeout("the answer came too slowly")
            return response.status_code, response.headers, text

    def _object(self, status: int, text: bytes) -> dict[str, Any]:
        """Raises: ModelFailed, CaptionerError: what the server's status or its own words say is wrong."""
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        told = _error_in(answer)
        if 200 <= status < 300 and isinstance(answer, dict) and told is None:
            return answer
        said = self._without_key(told or text.decode("utf-8", "replace") or "nothing")
        if status in (401, 403):
            raise CaptionerError(
                f"{self._name} refuses the key ({status}); put the right one into the environment's "
                f"{self._address.key_variable} and start again.",
                code="endpoint_refused",
            )
        if 300 <= status < 400:
            raise CaptionerError(
                f"{self._name} sends us elsewhere ({status}); name the address where it answers itself.",
                code="endpoint_refused",
            )
        if status == 404:
            raise CaptionerError(
                f"{self._name} has nothing at {self._address.url}/v1, or no model of that name (404): {said}.",
                code="endpoint_refused",
            )
        if 400 <= status < 500 and status not in _AGAIN:
            raise _Refused(f"{self._name} refuses the question ({status}): {said}.", code="endpoint_refused")
        if told is None and 200 <= status < 300:
            raise ModelFailed(f"{self._name} answered with something that is no JSON object: {said}. {_NO_MORE}")
        raise ModelFailed(f"{self._name} failed ({status}): {said}. Its own log says more; try the picture again.")

    def _sentence(self, answer: Mapping[str, Any]) -> Sentence:
        try:
            choice = answer["choices"][0]
            content = choice["message"].get("content")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ModelFailed(f"{self._name} answered without a choice; {_NO_MORE}") from error
        is_cut = choice.get("finish_reason") == "length"
        text = _THOUGHT.sub("", content).strip() if isinstance(content, str) else ""
        is_thinking = text.startswith("<think>")
        if not text or is_thinking:
            why = "it thought aloud until the limit" if is_cut or is_thinking else "its answer is empty"
            raise ModelFailed(
                f"{self._name} gave no caption: {why}; raise the longest answer, or take a model that does not think.",
                code="no_caption",
            )
        return Sentence(text, finish="length" if is_cut else "stop")

    @property
    def _name(self) -> str:
        return f"the endpoint {self._address.name}"

    def _too_slow(self, timeout_s: float) -> ModelFailed:
        return ModelFailed(
            f"{self._name} took longer than {timeout_s:g} s; raise the time limit, or try the picture again.",
            code="endpoint_slow",
        )

    def _down(self, error: Exception) -> CaptionerError:
        detail = self._without_key(str(error) or type(error).__name__)
        return CaptionerError(
            f"{self._name} ({self._address.url}) cannot be reached: {detail}. Start the server, or choose another "
            "captioner.",
            code="endpoint_down",
        )

    def _without_key(self, text: str) -> str:
        """A server's words, cut, and without our key, which some repeat."""
        key = self._address.key()
        return shown(" ".join((text.replace(key, "...") if key else text).split()), max_length=300).rstrip(". ")


_NO_MORE = "it may be no OpenAI-compatible server."


class _Refused(ModelFailed):
    """The server says that this request is wrong."""


def as_jpeg(image: Image.Image, longest_edge: int) -> bytes:
    """The picture as JPEG, which every server reads, with nothing beside its pixels (no place, no camera)."""
    bare = image.convert("RGB")
    bare.thumbnail((longest_edge, longest_edge), Image.Resampling.LANCZOS)
    bare.info = {}
    data = io.BytesIO()
    bare.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()


def _error_in(answer: Any) -> str | None:
    """What an answer says is wrong, in any of the forms that servers have for it; None where it says nothing."""
    if not isinstance(answer, dict):
        return None
    error = answer.get("error", answer.get("detail"))
    if error is None or error is False:
        return None
    while isinstance(error, dict):
        error = error.get("message", error.get("msg", error.get("error", json.dumps(error))))
    return str(error)


def _asked_wait_s(headers: httpx.Headers) -> float | None:
    """How long the server asks to be left alone."""
    try:
        return min(max(float(headers.get("retry-after", "")), 0.0), _LONGEST_WAIT_S)
    except ValueError:
        return None
