"""Whose a new set is, and how much each set and each user may take, where the app's start says so: pictures a set, jobs
at once a user."""

from __future__ import annotations

from collections.abc import Callable

from captioner.errors import CaptionerError
from captioner.plural import plural
from captioner.worker import Worker
from captioner.workspace import Workspace


class Shares:
    """Owners and limits that hold for all visitors; none unless they are given."""

    def __init__(
        self,
        workspace: Workspace,
        worker: Worker,
        *,
        pictures_a_set: int | None = None,
        jobs_a_user: int | None = None,
        owner_of: Callable[[str], str | None] = lambda set_id: None,
        claim: Callable[[str, str], object] | None = None,
    ) -> None:
        """Args: owner_of: whose a set is, None where there are no users; a set is then counted for itself. claim: makes
        a new set a user's; None where people have no names."""
        self._workspace = workspace
        self._worker = worker
        self._pictures_a_set = pictures_a_set
        self._jobs_a_user = jobs_a_user
        self._owner_of = owner_of
        self._claim = claim

    def check_maker(self, user: str) -> None:
        """Raises: CaptionerError: people have names here, and who asks for a set has none."""
        if self._claim is not None and not user:
            raise CaptionerError(
                "who asks is not known, and a set of nobody would be open to everybody; sign in again, and tell who "
                "looks after this app if that does not help.",
                code="unknown_user",
            )

    def claim(self, set_id: str, user: str) -> None:
        """Make a new set its maker's, where people have names. Raises: StoreError."""
        if self._claim is not None:
            self._claim(set_id, user)

    def check_room(self, set_id: str) -> None:
        """Raises: CaptionerError: the set is full."""
        if self._pictures_a_set is None:
            return
        count = sum(one.picture_count for one in self._workspace.sets([set_id]))
        if count >= self._pictures_a_set:
            raise CaptionerError(
                f"the set has {plural(count, 'picture')}, and no set may have more than {self._pictures_a_set:,} here; "
                "begin another one.",
                code="set_full",
            )

    def check_jobs(self, set_id: str) -> None:
        """Raises: CaptionerError: the user to whom the set belongs has as many jobs going on as one may have."""
        user = self._owner_of(set_id)
        if self._jobs_a_user is None or user is None:
            return
        going_on = [job for job in self._worker.jobs() if not job.is_finished and self._owner_of(job.owner) == user]
        if len(going_on) >= self._jobs_a_user:
            what = plural(len(going_on), "job is", "jobs are")
            raise CaptionerError(
                f"{what} going on in other sets of {user}, and nobody may have more at once here; wait, or stop one.",
                code="too_many_jobs",
            )
