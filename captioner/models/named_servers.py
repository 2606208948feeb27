"""Servers that were named at the start, put into the registry as captioners, through the door of every model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from captioner.contract import ModelSpec
from captioner.errors import CaptionerError
from captioner.models import registry
from captioner.models.endpoint import addresses

_FAMILY = "endpoint"


def add_named_servers(texts: Iterable[str], models: Iterable[str] = ()) -> list[str]:
    """Let the servers of NAME=URL texts be chosen by name as captioners. Asks none of them.

    Args: models: NAME=MODEL,... texts: those that may be asked there, where not any may.
    Returns: what a person should know before the first picture is sent, in sentences.
    Raises: CaptionerError: a text that is no NAME=URL, or a name that a model has.
    """
    notes = []
    named = [addresses.parse_address(text) for text in texts]
    allowed = addresses.parse_models(models, [address.name for address in named])
    for address in (replace(one, models=allowed.get(one.name, ())) for one in named):
        others = [spec for spec in registry.MODELS if spec.name == address.name]
        if any(spec.family != _FAMILY for spec in others):
            raise CaptionerError(
                f"the endpoint {address.name} has the name of a model; give it another.", code="bad_endpoint"
            )
        addresses.remember(address)
        spec = ModelSpec(
            name=address.name,
            kind="captioner",
            family=_FAMILY,
            entry="captioner.models.endpoint:EndpointCaptioner",
            licence="of its model",
            about=f"a server at {address.host}",
            sends_to="" if address.is_here else address.host,
        )
        registry.MODELS = (*(spec for spec in registry.MODELS if spec not in others), spec)
        if spec.sends_to:
            notes.append(f"pictures that {address.name} captions leave this machine: they are sent to {address.host}.")
    return notes
