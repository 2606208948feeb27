"""The files of a repository as the Hugging Face hub lists them; where it cannot be reached, its error at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

_FIRST_ANSWER_S = 10.0


def files_at_hub(library: Any, repo: str, commit: str | None = None) -> list[Any]:
    """Every file of a repository, as huggingface_hub's RepoFile.

    The list itself is asked for with patience: a hub that is busy is asked again and again for 24 s. So a question
    without patience goes first, and a person who is offline is told at once.

    Args: library: huggingface_hub. commit: None for the newest.
    Raises: OSError, and what the library and its HTTP client raise.
    """
    hub = library.HfApi()
    with suppress(library.errors.HfHubHTTPError):  # the hub is there, and what it says is said to the next question too
        hub.model_info(repo, timeout=_FIRST_ANSWER_S)
    tree = hub.list_repo_tree(repo, recursive=True, revision=commit)
    return [one for one in tree if isinstance(one, library.hf_api.RepoFile)]
