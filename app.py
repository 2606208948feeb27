"""The web app: flags -> AppConfig -> ModelManager, Workspace, Worker -> the page -> serve. Nothing else.

python app.py [--host H] [--port P] [--workspace DIR] [--models auto|hub|demo|DIR] [--device D]
              [--auth USER:PASSWORD | --no-auth]
"""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner import temporary
from captioner.errors import CaptionerError


@dataclass(frozen=True, kw_only=True)
class AppConfig:
    """What the flags say. login: (user, password) or None. is_open: --no-auth was given."""

    host: str
    port: int
    workspace: Path | None
    models: str
    device: str
    login: tuple[str, str] | None
    is_open: bool


def parse_flags(arguments: Sequence[str] | None = None) -> AppConfig:
    """The configuration, checked.

    Raises: CaptionerError: flags that do not fit together. SystemExit: --help, or a flag argparse refuses.
    """
    parser = argparse.ArgumentParser(prog="app.py", description="Captioner: captions for training pictures.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (%(default)s)")
    parser.add_argument("--workspace", type=_folder, metavar="DIR", help="where your work is kept (your data folder)")
    parser.add_argument(
        "--models",
        default="auto",
        metavar="auto|hub|demo|DIR",
        help="auto: real models if they are on this machine, else demo ones; hub: download them when first used; "
        "DIR: one subfolder a model (%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    login = parser.add_mutually_exclusive_group()
    login.add_argument("--auth", metavar="USER:PASSWORD", help="ask every visitor for this login")
    login.add_argument("--no-auth", action="store_true", help="let everyone in who can reach the address")
    flags = parser.parse_args(arguments)
    if not 0 <= flags.port <= 65_535:
        raise CaptionerError(f"--port is {flags.port}; it must be between 0 and 65535.")
    user, colon, password = (flags.auth or "").partition(":")
    if flags.auth is not None and not (user and colon and password):
        raise CaptionerError("--auth must be USER:PASSWORD, with something on both sides of the colon.")
    config = AppConfig(
        host=flags.host,
        port=flags.port,
        workspace=flags.workspace,
        models=flags.models,
        device=flags.device,
        login=(user, password) if flags.auth is not None else None,
        is_open=flags.no_auth,
    )
    from captioner.ui.address import is_loopback

    if not is_loopback(config.host) and config.login is None and not config.is_open:
        raise CaptionerError(
            f"--host {config.host} lets other machines in: add --auth USER:PASSWORD, or --no-auth if that is meant."
        )
    return config


def _folder(text: str) -> Path:
    # A shell leaves the ~ of --workspace=~/work alone.
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path's own raises for ~somebody who is not here)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there, taken before anything heavy is loaded.

    Raises: CaptionerError: the port is in use, or the address is not this machine's.
    """
    opened = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
        if os.name == "posix":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(128)
    except OSError as error:
        if opened is not None:
            opened.close()
        in_use = error.errno == errno.EADDRINUSE
        reason = "another program uses it; choose another with --port" if in_use else f"{error.strerror or error}"
        raise CaptionerError(f"{host} port {port} cannot be listened on: {reason}.") from error
    return opened


def serve(config: AppConfig, listening: socket.socket) -> None:
    """Everything made, wired and served until the process is asked to stop.

    Raises: CaptionerError: the workspace cannot be opened, or there are no models where the flags say.
    """
    from fastapi import FastAPI

    from captioner.manager import ModelManager
    from captioner.ui import page
    from captioner.ui.address import is_loopback
    from captioner.ui.desk import Desk
    from captioner.ui.guard import Guard
    from captioner.ui.server import Server
    from captioner.worker import Worker
    from captioner.workspace import Workspace

    manager = ModelManager(models=config.models, device=config.device)
    with Workspace(config.workspace) as workspace, Worker() as worker:
        for notice in workspace.notices:
            print(f"app.py: {notice}", file=sys.stderr)
        app = page.mount(FastAPI(openapi_url=None), Desk(workspace, worker, manager))
        guarded = Guard(
            app,
            login=config.login,
            loopback_only=is_loopback(config.host) and config.login is None and not config.is_open,
        )
        Server(guarded, listening, config.host).run()
    manager.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 after serving, 2 for a flag, port, workspace or model folder that will not do."""
    try:
        config = parse_flags(arguments)
        with bind(config.host, config.port) as listening:
            with temporary.folder() as folder:
                os.environ["GRADIO_TEMP_DIR"] = str(
                    folder
                )  # uploads of two apps, or of two people's, never share a folder
                serve(config, listening)
    except CaptionerError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # uvicorn has ended the page in order and hands Ctrl+C on
        print("Captioner has stopped; everything saved stays saved.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
