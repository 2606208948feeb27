"""Making Gradio pages in tests without leaving anything open.

Gradio 6.31's `utils.safe_get_lock` makes an event loop for each gr.Blocks that is made outside a running one, and
closes none of them; inside a running loop it makes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

Result = TypeVar("Result")


def in_loop(function: Callable[..., Result], *arguments: Any) -> Result:
    """What the function returns, called while an event loop runs."""

    async def call() -> Result:
        return function(*arguments)

    return asyncio.run(call())


def laid_out(function: Callable[[], Result]) -> Result:
    """What the function returns, called inside an empty page's context."""

    def lay_out() -> Result:
        with gr.Blocks(analytics_enabled=False):
            return function()

    return in_loop(lay_out)
