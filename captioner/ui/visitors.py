"""Who a request is from, and what of other people's it may not reach: asked at the door, for every request alike.

Where people have names of their own, a set is its maker's until it is shared; a request that names another's is told
that there is none. Knows no page; what a call is about is read off the call itself.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from captioner.errors import CaptionerError, UnknownSet
from captioner.service.service import LISTED_AT_ONCE
from captioner.ui.bodies import RefusedBody
from captioner.ui.lanes import Lane
from captioner.ui.login import Login, ProxyLogin
from captioner.users import check_name
from captioner.workspace import Workspace
from captioner.workspace.owners import Owners, Ownership

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' own
VISITOR = "captioner.visitor"
"""Where the door notes the Visitor in a request's scope."""

_SET_PATH = re.compile(r"/sets/([^/]+)(?:/.*)?", re.DOTALL)
_DAY_S = 86_400.0
_REMEMBERED = 1_000
_NO_SET = "There is no such set here, or it is another user's who has not shared it."
_SIGNED_OUT = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Signed out</title><body style='font:16px system-ui;margin:3rem'><h1>You are signed out</h1>"
    "<p>What you saved stays. <a href='./'>Sign in again</a></p>"
)


@dataclass(frozen=True)
class Visitor:
    """user: the name of the login; "" where there are no logins, or one for all. is_operator: may look after models,
    as far as anybody may here."""

    user: str = ""
    is_operator: bool = True


@dataclass(frozen=True)
class SetDoor:
    """Whose sets are, for those who come by name.

    A set is its maker's from the first. One that was made where nobody came by name is nobody's and open to who has its
    link, as it was, until somebody makes it theirs on purpose.
    """

    workspace: Workspace
    owners: Owners

    def may_enter(self, set_id: str, user: str) -> bool:
        """Whether a request of the user may name the set; one that is not there is left to the app. Asks no disk."""
        found = self.owners.of(set_id)
        return found is None or found.is_shared or found.owner == user


class Visitors:
    """Lets people in by their login, or by the word of a proxy, and keeps them out of each other's sets."""

    def __init__(
        self,
        *,
        login: Login | None = None,
        proxy: ProxyLogin | None = None,
        sets: SetDoor | None = None,
        upload_bytes_a_day: int | None = None,
        figures: Callable[[], bytes] | None = None,
        is_operator: Callable[[str], bool] = lambda user: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: sets: None where there are no users with names. upload_bytes_a_day: what one may send.
        figures: what /metrics answers, None for nothing. is_operator: of a user; asked where they have names.
        """
        self._login = login
        self._proxy = proxy
        self._sets = sets
        self._upload_bytes_a_day = upload_bytes_a_day
        self._figures = figures
        self._is_operator = is_operator
        self._clock = clock
        # Passwords take long to prove. In line for few threads, those of a guesser find that his address waits by now.
        self._proving = Lane(2)
        self._sent: OrderedDict[str, tuple[float, int]] = OrderedDict()  # user -> since when, how much
        self._left: OrderedDict[str, None] = OrderedDict()

    async def enter(self, headers: Headers, scope: Mapping[str, Any]) -> Visitor | Response:
        """Whose request it is, or what to answer instead."""
        peer = (scope.get("client") or ("", 0))[0]
        if self._proxy is not None:
            named = headers.getlist(self._proxy.header)
            if named and self._proxy.is_proxy(peer):
                return self._by_proxy(named)
            if self._login is None:
                return PlainTextResponse("Come by the proxy that asks for your login; it did not name you.", 403)
            peer = _client_of(self._proxy, peer, headers)
        if self._login is None:
            return Visitor()
        given = headers.get("authorization", "")
        check = self._login.check
        wait_s = check(given, peer) if self._login.is_quick(given) else await self._proving.run(check, given, peer)
        if wait_s is None:
            return _ask("A user name and a password are needed.")
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            response = PlainTextResponse(
                f"Too many wrong passwords came from your address; try again in {seconds} s.", 429
            )
            response.headers["retry-after"] = str(seconds)
            return response
        return self._visitor(self._login.user(given)) if self._login.has_users else Visitor(self._login.user(given))

    def _visitor(self, user: str) -> Visitor:
        return Visitor(user, self._is_operator(user))

    def _by_proxy(self, named: list[str]) -> Visitor | Response:
        assert self._proxy is not None
        try:
            if len(named) > 1:
                raise CaptionerError(
                    f"The header {self._proxy.header} came {len(named)} times; the proxy must replace it."
                )
            return self._visitor(self._proxy.user(named[0]))
        except CaptionerError as error:
            return PlainTextResponse(str(error), 400)

    def check_path(self, visitor: Visitor, path: str) -> None:
        """Raises: RefusedBody: it leads to another's set."""
        found = _SET_PATH.fullmatch(path)
        if found is not None and self._sets is not None:
            self._check(visitor, found[1])

    def check_call(self, visitor: Visitor, call: Any) -> bool:
        """Look at the sets that a call names. Another's that are only listed are taken out of the call.

        Returns: whether something was taken out. Raises: RefusedBody: it asks for another's set.
        """
        if self._sets is None:
            return False
        for set_id in _asked_for(call):
            self._check(visitor, set_id)
        data = call.get("data") if isinstance(call, dict) else None
        listed = data.get("sets") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(listed, list):
            return False
        asked = [one for one in listed if isinstance(one, str)][:LISTED_AT_ONCE]
        data["sets"] = [one for one in asked if self._sets.may_enter(one, visitor.user)]
        return bool(data["sets"] != listed)

    def _check(self, visitor: Visitor, set_id: str) -> None:
        assert self._sets is not None
        if not self._sets.may_enter(set_id, visitor.user):
            raise RefusedBody(404, _NO_SET, "unknown_set")

    def count_upload(self, visitor: Visitor, size_bytes: int) -> None:
        """Note what a user sends. Raises: RefusedBody: it is more than one may send a day."""
        limit = self._upload_bytes_a_day
        if limit is None:
            return
        now_s = self._clock()
        since_s, sent = self._sent.pop(visitor.user, (now_s, 0))
        if now_s - since_s > _DAY_S:
            since_s, sent = now_s, 0
        self._sent[visitor.user] = (since_s, sent + (size_bytes if sent + size_bytes <= limit else 0))
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        if sent + size_bytes > limit:
            hours = math.ceil((_DAY_S - (now_s - since_s)) / 3600)
            raise RefusedBody(
                429, f"You may send {limit / 2**30:g} GiB a day here; go on in {hours} h, or send less.", "upload_limit"
            )

    async def answer(self, visitor: Visitor, method: str, path: str, query: str, body: Any) -> Response | None:
        """What the door itself answers: who one is, leaving, and sharing a set; None for all else.

        Raises: RefusedBody: a set that is another's, or a body that is no wish.
        """
        if path == "/who":
            who = {"user": visitor.user, "is_operator": visitor.is_operator}
            has = {"has_own_sets": self._sets is not None, "can_leave": self._login is not None}
            return JSONResponse(who | has)
        if path == "/metrics" and self._figures is not None:
            return Response(await run_in_threadpool(self._figures), media_type=MEDIA_TYPE)
        if path == "/sign-out":
            return self._sign_out(query)
        found = re.fullmatch(r"/sets/([^/]+)/sharing", path)
        if found is None:
            return None
        if self._sets is None:
            raise RefusedBody(404, "Sets are nobody's here, since there are no users.", "no_users")
        change = None if method != "POST" else body if isinstance(body, dict) else {}
        ownership = await run_in_threadpool(self._sharing, self._sets, visitor, found[1], change)
        if ownership is None:
            return JSONResponse({"owner": None, "is_shared": True, "is_mine": False})
        is_mine = ownership.owner == visitor.user
        return JSONResponse({"owner": ownership.owner, "is_shared": ownership.is_shared, "is_mine": is_mine})

    def _sharing(
        self, sets: SetDoor, visitor: Visitor, set_id: str, change: Mapping[str, Any] | None
    ) -> Ownership | None:
        """Whose a set is, after a change of that; None for nobody's. Asks the database.

        Args: change: {"is_shared": true or false} by its owner, {"owner": name} by an operator, by its owner, and for
            themselves by who has the link of a set that is nobody's. Raises: RefusedBody.
        """
        gives = change is not None and "owner" in change
        if not (gives and visitor.is_operator) and not sets.may_enter(set_id, visitor.user):
            raise RefusedBody(404, _NO_SET, "unknown_set")
        try:
            sets.workspace.find_set(set_id)
        except UnknownSet as error:
            raise RefusedBody(404, _NO_SET, "unknown_set") from error
        known = sets.owners.of(set_id)
        if change is None:
            return known
        is_mine = known is not None and known.owner == visitor.user
        if gives:
            try:
                owner = check_name(str(change["owner"]))
            except CaptionerError as error:
                raise RefusedBody(400, f"{error}") from error
            if not (is_mine or visitor.is_operator or (known is None and owner == visitor.user)):
                whose = f"{known.owner}'s" if known else "nobody's; make it your own, or"
                raise RefusedBody(403, f"This set is {whose}; ask an operator to give it to another.", "not_yours")
            return sets.owners.give(set_id, owner)
        wish = change.get("is_shared")
        if not isinstance(wish, bool):
            raise RefusedBody(400, 'The body must be {"is_shared": true} or false, or {"owner": "name"}.')
        if known is None:
            raise RefusedBody(
                403, "This set is nobody's and open to who has its link; make it yours first.", "not_yours"
            )
        if not is_mine:
            raise RefusedBody(403, f"This set is {known.owner}'s, who alone may share it.", "not_yours")
        return sets.owners.share(set_id, is_shared=wish)

    def _sign_out(self, query: str) -> Response:
        """A browser forgets a login when it is refused; coming back with one it goes to the page.

        Args: query: differs with each leaving.
        """
        if self._login is None:
            return PlainTextResponse("Nobody is signed in here, or by a proxy: leave there.", 404)
        if query in self._left:
            return RedirectResponse("./", 303)
        self._left[query] = None
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        response = HTMLResponse(_SIGNED_OUT, 401)
        response.headers["www-authenticate"] = _CHALLENGE
        return response


_CHALLENGE = 'Basic realm="Captioner", charset="UTF-8"'


def _ask(message: str) -> Response:
    response = PlainTextResponse(message, 401)
    response.headers["www-authenticate"] = _CHALLENGE
    return response


def _client_of(proxy: ProxyLogin, peer: str, headers: Headers) -> str:
    """The address behind the proxy's, as it says itself."""
    if not proxy.is_proxy(peer):
        return peer
    forwarded = [one.strip() for line in headers.getlist("x-forwarded-for") for one in line.split(",")]
    return next((one for one in reversed(forwarded) if one and not proxy.is_proxy(one)), peer)


def _asked_for(call: Any) -> Iterator[str]:
    """The ids of sets that a call names: "set" of the page's functions, the texts among a program's values.

    A job's id begins with its set's, up to a full stop.
    """
    data = call.get("data") if isinstance(call, dict) else None
    values = [data.get("set")] if isinstance(data, dict) else data if isinstance(data, list) else []
    for value in values:
        if isinstance(value, str):
            yield value.partition(".")[0]
