"""The web app: flags -> AppConfig -> ModelManager, Workspace, Worker -> the page -> serve. Nothing else.

python app.py [--host H] [--port P] [--workspace DIR] [--models auto|hub|demo|DIR] [--device D]
              [--auth-file FILE | --auth USER:PASSWORD | --no-auth] [--allow-host NAME ...] [--endpoint NAME=URL ...]
              [--endpoint-models NAME=MODEL,... ...]
              [--auth-header NAME --trusted-proxy ADDRESS ...] [--root-path /PATH] [--upload-gib N] [--set-pictures N]
              [--operators NAME,...] [--user-jobs N] [--log-format text|json]
              [--allow-model ID ...] [--vram-gib N] [--ram-gib N] [--idle-minutes N]
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner import temporary
from captioner.cli.memory import add_memory_flags, in_bytes, positive
from captioner.errors import CaptionerError
from captioner.limits import shown
from captioner.ui import team_flags
from captioner.ui.address import ServedNames, is_loopback
from captioner.ui.login import Login, ProxyLogin, parse_login, read_login_file
from captioner.ui.plain_output import PlainOutput
from captioner.users import UserFile

LOGIN_VARIABLE = "CAPTIONER_AUTH"


@dataclass(frozen=True, kw_only=True)
class AppConfig:
    """What the flags say.

    login: one (user, password), a file of users, or None. is_open: --no-auth was given. allowed_hosts: names beside
    this machine's own. endpoints: servers to caption with, NAME=URL; endpoint_models:
    what they may be asked for, NAME=MODEL,... . allowed_models: hub repositories that a visitor
    may name. proxy: the one whose word is taken for a login. operators: its users who look after models. root_path:
    what addresses begin with outside, where a proxy takes it off. upload_gib: what a user may send a day; set_pictures:
    what a set may hold; user_jobs: what may go on for a user at once; None for no limit. log_format: text or json.
    """

    host: str
    port: int
    workspace: Path | None
    models: str
    device: str
    login: tuple[str, str] | UserFile | None
    is_open: bool
    allowed_hosts: tuple[str, ...]
    endpoints: tuple[str, ...] = ()
    endpoint_models: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    proxy: ProxyLogin | None = None
    operators: tuple[str, ...] = ()
    root_path: str = ""
    upload_gib: float | None = None
    set_pictures: int | None = None
    user_jobs: int | None = None
    log_format: str = "text"
    vram_gib: float | None = None
    ram_gib: float | None = None
    idle_minutes: float | None = None


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
    login.add_argument(
        "--auth-file",
        type=_folder,
        metavar="FILE",
        help="ask every visitor for a login of this file: users with sets of their own, as python -m captioner user "
        f"add writes them, or one line USER:PASSWORD for all, as the environment's {LOGIN_VARIABLE} may hold too",
    )
    login.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help="the same; but others on this machine can read it in the list of processes",
    )
    login.add_argument("--no-auth", action="store_true", help="let everyone in who can reach the address")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer to this name too, as a proxy or another machine calls it; may be given several times",
    )
    parser.add_argument(
        "--endpoint",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="an OpenAI-compatible server (Ollama, LM Studio, llama.cpp, vLLM, ...) to caption with, chosen by its "
        "name; its key is read from the environment's CAPTIONER_KEY_NAME; may be given several times",
    )
    parser.add_argument(
        "--endpoint-models",
        action="append",
        default=[],
        metavar="NAME=MODEL,...",
        help="the models that visitors may ask that server for, the first of them where they name none (any that it "
        "has); may be given several times",
    )
    parser.add_argument(
        "--allow-model",
        action="append",
        default=[],
        metavar="ID",
        help="let visitors choose this model of the hub beside the listed ones, owner/name, owner/* or * for all; "
        "may be given several times (all, where only this machine reaches the app)",
    )
    team_flags.add_team_flags(parser)
    add_memory_flags(parser)
    parser.add_argument(
        "--idle-minutes",
        type=positive,
        metavar="N",
        help="let a model that nobody has used for so long leave the card, or on a CPU the memory; it comes back when "
        "it is used",
    )
    flags = parser.parse_args(arguments)
    if not 0 <= flags.port <= 65_535:
        raise CaptionerError(f"--port is {flags.port}; it must be between 0 and 65535.")
    config = AppConfig(
        host=flags.host,
        port=flags.port,
        workspace=flags.workspace,
        models=flags.models,
        device=flags.device,
        login=_login(flags),
        is_open=flags.no_auth,
        allowed_hosts=tuple(flags.allow_host),
        endpoints=tuple(flags.endpoint),
        endpoint_models=tuple(flags.endpoint_models),
        allowed_models=_allowed_models(flags),
        proxy=team_flags.proxy(flags),
        operators=team_flags.operators(flags),
        root_path=team_flags.root_path(flags.root_path),
        upload_gib=team_flags.more_than_nothing(flags.upload_gib, "--upload-gib"),
        set_pictures=team_flags.more_than_nothing(flags.set_pictures, "--set-pictures"),
        user_jobs=team_flags.more_than_nothing(flags.user_jobs, "--user-jobs"),
        log_format=flags.log_format,
        vram_gib=flags.vram_gib,
        ram_gib=flags.ram_gib,
        idle_minutes=flags.idle_minutes,
    )
    ServedNames.of(config.host, config.allowed_hosts)  # says what is wrong with them
    has_login = config.login is not None or config.proxy is not None
    if not is_loopback(config.host) and not has_login and not config.is_open:
        raise CaptionerError(
            f"--host {config.host} lets other machines in: add --auth-file FILE, or --no-auth if that is meant."
        )
    return config


def _allowed_models(flags: argparse.Namespace) -> tuple[str, ...]:
    for text in flags.allow_model:
        if not re.fullmatch(r"\*|[A-Za-z0-9][\w.-]*/(?:\*|[A-Za-z0-9][\w.-]*)", text):
            raise CaptionerError(f"--allow-model is {shown(text)!r}; it must be owner/name, owner/* or *.")
    return tuple(flags.allow_model) or (
        ("*",) if is_alone(flags.host, (*flags.allow_host, *flags.trusted_proxy)) else ()
    )


def is_alone(host: str, allowed_hosts: Sequence[str]) -> bool:
    """Whether only who uses this machine reaches the app; a proxy, which needs a name of its own, brings others."""
    return is_loopback(host) and not allowed_hosts


def _login(flags: argparse.Namespace) -> tuple[str, str] | UserFile | None:
    if flags.auth is not None:
        return parse_login(flags.auth, "--auth")
    if flags.auth_file is not None:
        return read_login_file(flags.auth_file)
    if LOGIN_VARIABLE in os.environ and not flags.no_auth and flags.auth_header is None:
        return parse_login(os.environ[LOGIN_VARIABLE], f"the environment's {LOGIN_VARIABLE}")
    return None


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give a path, or leave the flag out.")
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

    from captioner.captions.groups import add_plug_ins
    from captioner.models.manager import ModelManager
    from captioner.models.named_servers import add_named_servers
    from captioner.service.models import ManagedBy
    from captioner.service.service import Service
    from captioner.service.shares import Shares
    from captioner.ui import page
    from captioner.ui.guard import Guard
    from captioner.ui.logs import write_json
    from captioner.ui.metrics import Metrics
    from captioner.ui.server import Server
    from captioner.ui.visitors import SetDoor, Visitors
    from captioner.worker import Worker
    from captioner.workspace import Workspace
    from captioner.workspace.owners import Owners
    from taggers.vocabularies import FOLDER_VARIABLE, folder_of

    if config.log_format == "json":
        write_json()
    add_plug_ins()
    for said in add_named_servers(config.endpoints, config.endpoint_models):
        print(f"app.py: {said}", file=sys.stderr)
    manager = ModelManager(
        models=config.models,
        device=config.device,
        vram_bytes=in_bytes(config.vram_gib),
        ram_bytes=in_bytes(config.ram_gib),
        idle_s=None if config.idle_minutes is None else 60 * config.idle_minutes,
    )
    has_users = config.proxy is not None or isinstance(config.login, UserFile)
    with contextlib.ExitStack() as stack, Workspace(config.workspace) as workspace, Worker() as worker:
        os.environ[FOLDER_VARIABLE] = str(folder_of(workspace.folder))
        for notice in workspace.notices:
            print(f"app.py: {notice}", file=sys.stderr)
        # Whoever reaches the app may look after its models where that is one person, or all have one login.
        is_one = config.login is not None or is_alone(config.host, config.allowed_hosts)
        managed_by: ManagedBy = "operators" if has_users else "all" if is_one else "none"
        is_operator = _is_operator(config)
        owners = stack.enter_context(Owners(workspace.folder)) if has_users else None
        metrics = Metrics(manager, worker)
        stack.enter_context(metrics.listening())
        shares = Shares(
            workspace,
            worker,
            pictures_a_set=config.set_pictures,
            jobs_a_user=config.user_jobs,
            **({"owner_of": owners.user_of, "claim": owners.claim} if owners else {}),
        )
        service = Service(workspace, worker, manager, config.allowed_models, shares, managed_by=managed_by)
        for said in service.jobs.history.sentences:
            print(f"app.py: {said}", file=sys.stderr)
        app = page.mount(FastAPI(openapi_url=None), service, root_path=config.root_path)
        visitors = Visitors(
            login=Login(config.login) if config.login is not None else None,
            proxy=config.proxy,
            sets=SetDoor(workspace, owners) if owners else None,
            is_operator=is_operator,
            upload_bytes_a_day=int(config.upload_gib * 2**30) if config.upload_gib else None,
            figures=metrics.text,
        )
        guarded = Guard(
            app,
            names=ServedNames.of(config.host, config.allowed_hosts),
            visitors=visitors,
            upload_folder=Path(os.environ["GRADIO_TEMP_DIR"]),
            callables=app.state.callables,
            is_well=lambda: worker.is_alive and workspace.sets(()) == (),
        )
        Server(
            guarded,
            listening,
            config.host,
            believes_proxies=config.proxy is None,
            has_own_log=config.log_format == "text",
        ).run()
    manager.close()


def _is_operator(config: AppConfig) -> Callable[[str], bool]:
    """Whether a user is an operator, by the file of users as it is then, or by the flag."""
    file = config.login if isinstance(config.login, UserFile) else None
    if file is not None and not (file.now().operators or config.operators):
        print(
            "app.py: no user is an operator, so nobody may load, fetch or free models on the page; python -m captioner "
            "user add NAME --operator --file FILE makes one.",
            file=sys.stderr,
        )
    return lambda user: user in config.operators or (file is not None and user in file.now().operators)


@contextlib.contextmanager
def _stopping_in_order() -> Iterator[None]:
    """Take SIGTERM as Ctrl+C within: the step that goes on is finished, and the store is closed."""

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off what the first began
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 after serving, 2 for a flag, port, workspace or model folder that will not do."""
    try:
        config = parse_flags(arguments)
        with _stopping_in_order(), bind(config.host, config.port) as listening:
            with temporary.folder() as folder:
                # Uploads of two apps, or of two people's, never share a folder.
                os.environ["GRADIO_TEMP_DIR"] = str(folder)
                with (
                    contextlib.redirect_stderr(PlainOutput(sys.stderr)),
                    contextlib.redirect_stdout(PlainOutput(sys.stdout)),
                ):
                    serve(config, listening)
    except CaptionerError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # uvicorn has ended the page in order and hands Ctrl+C and SIGTERM on
        print("Captioner has stopped; everything saved stays saved.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
