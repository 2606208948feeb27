"""Models in the ordinary Hugging Face cache: whether one is there, and fetching it, whole or in steps.

Knows no family and no page; nothing is sent about this machine.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from captioner.contract import ModelSpec
from captioner.errors import BadModel, MissingPackage, ModelNotFound
from captioner.models.hub_files import files_at_hub
from captioner.models.resuming import fetch_large

_STEP_S = 0.2  # between two steps of `download_steps`


Progress = Callable[[int, int], None]
"""Called with bytes so far and bytes in all (0 while unknown) as a download goes on; from other threads too."""


def cached_folder(spec: ModelSpec) -> Path | None:
    """The snapshot of a hub model in the Hugging Face cache, when it is complete. Asks no server."""
    library = _huggingface_hub()
    from huggingface_hub.errors import LocalEntryNotFoundError

    assert spec.repo is not None
    try:
        folder = Path(library.snapshot_download(spec.repo, allow_patterns=list(spec.files), local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
    # A cache written by an older huggingface_hub has no listing to prove it complete: the weights come last, as the
    # biggest file, and the configuration is asked for as well.
    return folder if all((folder / name).is_file() for name in spec.files[:2]) else None


def download_model(
    spec: ModelSpec, progress: Progress | None = None, *, otherwise: str = "or use --models demo"
) -> Path:
    """Fetch a hub model into the ordinary Hugging Face cache.

    A connection that breaks is taken up again where it broke; after a failure or a stop the next call fetches only what
    is not here, of large files the rest (`resuming`).

    Raises:
        ModelNotFound: the server cannot be reached, or the disk is full; code "unknown_model": it has no such model,
            "gated_model": it gives it only to those who accepted its licence. Says which and what to do.
        BadModel: the repository lacks what the model needs.
    """
    library = _huggingface_hub()
    assert spec.repo is not None
    note = progress or (lambda done, total: None)
    patterns = list(spec.files)
    try:
        large_bytes = fetch_large(library, spec.repo, patterns, note)
        bar = _progress_bar(lambda done, total: note(large_bytes + done, large_bytes + total))
        folder = Path(library.snapshot_download(spec.repo, allow_patterns=patterns, tqdm_class=bar))
    except library.errors.GatedRepoError as error:
        raise ModelNotFound(_gated(spec, library), code="gated_model") from error
    except library.errors.RepositoryNotFoundError as error:
        raise ModelNotFound(_unknown(spec), code="unknown_model") from error
    except (OSError, library.errors.HfHubHTTPError, *_transport_errors()) as error:
        raise ModelNotFound(
            f"{spec.name}{f' ({spec.download_mb} MB)' if spec.download_mb else ''} could not be downloaded from "
            f"{spec.repo}: {_in_a_line(error)}. Try again (files that are complete are kept), {otherwise}."
        ) from error
    missing = [name for name in spec.files[:2] if not (folder / name).is_file()]
    if missing:
        raise BadModel(
            f"the repository {spec.repo} has no {' and no '.join(missing)}, which {spec.name} needs; pickles are not "
            "taken instead. Choose another model."
        )
    if "*.safetensors" in spec.files and not any(folder.glob("*.safetensors")):
        raise BadModel(
            f"the repository {spec.repo} has no weights as safetensors; pickles, which can run code, are not taken "
            "instead. Choose another model, or a copy of it in safetensors."
        )
    return folder


def _gated(spec: ModelSpec, library: Any) -> str:
    pages = library.constants.ENDPOINT
    return (
        f"{spec.name} is given only to those who accepted its licence: accept it at {pages}/{spec.repo}, make a token "
        f"for reading at {pages}/settings/tokens, put it into the environment variable HF_TOKEN (or run `hf auth "
        "login`), and start again."
    )


def _unknown(spec: ModelSpec) -> str:
    like = f"the nearest known ones are {', '.join(spec.near)}" if spec.near else "look its name up there"
    return (
        f"there is no model {spec.repo} on the hub, or it is private (then a token in the environment variable "
        f"HF_TOKEN opens it); {like}."
    )


def hub_digests(spec: ModelSpec, commit: str | None) -> dict[str, str]:
    """The hub's digest of each file of a model: sha256 of large ones, of others git's sha1. Asks the hub.

    Args: commit: of the repository, None for its newest. Raises: ModelNotFound: it cannot be reached, or has no such.
    """
    library = _huggingface_hub()
    assert spec.repo is not None
    try:
        found = files_at_hub(library, spec.repo, commit)
    except (OSError, library.errors.HfHubHTTPError, *_transport_errors()) as error:
        raise ModelNotFound(f"{spec.repo} cannot be asked about its files: {_in_a_line(error)}. Try again.") from error
    return {one.path: one.lfs.sha256 if one.lfs else one.blob_id for one in found}


def download_steps(
    spec: ModelSpec, *, otherwise: str = "or use --models demo"
) -> Generator[tuple[int, int], None, Path]:
    """As `download_model`, but in steps, so that who asks can do other things in between, or stop by closing it.

    Yields: bytes so far and bytes in all, 0 while that is not known, a few times a second. Returns: the folder.
    """
    done_bytes = total_bytes = 0
    is_stopped = threading.Event()
    answer: Future[Path] = Future()

    def note(so_far: int, in_all: int) -> None:
        nonlocal done_bytes, total_bytes
        if is_stopped.is_set():
            raise _Stopped  # there is no other way to end huggingface_hub's download
        done_bytes, total_bytes = so_far, in_all

    def download() -> None:
        try:
            answer.set_result(download_model(spec, note, otherwise=otherwise))
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            answer.set_exception(error)

    threading.Thread(target=download, name="captioner-download", daemon=True).start()
    try:
        while not answer.done():
            wait([answer], timeout=_STEP_S)
            yield done_bytes, total_bytes  # of a quick one too, and where it ended
    finally:
        is_stopped.set()
    return answer.result()


class _Stopped(Exception):
    """Nobody wants the download any more."""


def keep_quiet() -> None:
    """Switch off what huggingface_hub would send about this machine. To be called before it or transformers is used.

    It reads the environment when it is imported, which gradio may have done already, hence the constant too.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub.constants as constants

    constants.HF_HUB_DISABLE_TELEMETRY = True


def _huggingface_hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "Models are found with huggingface_hub, which is not installed: pip install huggingface_hub"
        ) from error
    keep_quiet()
    if "HF_HUB_VERBOSITY" not in os.environ:
        from huggingface_hub.utils.logging import set_verbosity_error

        set_verbosity_error()  # a line for each retry would stand between our own, which tell how it ended
    return huggingface_hub


def _in_a_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the HTTP client under huggingface_hub raises when a connection breaks.

    Which client that is depends on its version (requests, httpx, httpx2), so the session is asked.
    """
    from huggingface_hub.utils import get_session

    client = importlib.import_module(type(get_session()).__module__.split(".")[0])
    return tuple(
        kind for name in ("HTTPError", "TransportError") if isinstance(kind := getattr(client, name, None), type)
    )


def _progress_bar(progress: Progress) -> type[Any]:
    """A tqdm class that draws nothing and hands the bytes written to `progress`.

    snapshot_download makes several bars of it: files, bytes received, bytes written; only the last is reported.
    """
    from huggingface_hub.utils import tqdm

    class Counter(tqdm):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **keywords: Any) -> None:
            self._is_reported = keywords.get("name") == "huggingface_hub.snapshot_download"
            keywords["disable"] = True
            super().__init__(*args, **keywords)
            self.total = keywords.get("total") or 0
            self.n = keywords.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self._is_reported:
                progress(int(self.n), int(self.total or 0))

    return Counter
