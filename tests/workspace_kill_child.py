"""Saves as fast as it can until it is killed, and says on its output what was acknowledged. Loads only the store.

Run as `python workspace_kill_child.py STORE WORK FOLDER SET_ID PICTURE_ID...`. For each line on its input it starts a
process of its own that opens the workspace and saves, and says "pid N"; when that one was killed it says "gone". STORE
is durable, or hasty: a store that acknowledges a save before it is committed. WORK is edits, bulk or lab.
"""

import os
import queue
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from captioner.workspace import Workspace
from captioner.workspace.records import Saved, StoredCell


class HastyWorkspace(Workspace):
    """Answers at once and writes behind, as a store would that is fast at the price of lost work."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._waiting: queue.Queue = queue.Queue()
        threading.Thread(target=self._write_behind, daemon=True).start()

    def save_edit(self, set_id, picture_id, text, base_revision, **options):
        self._waiting.put((set_id, picture_id, text, base_revision))
        return Saved(True, base_revision + 1)

    def _write_behind(self) -> None:
        while True:
            super().save_edit(*self._waiting.get())


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def text_of(picture_id: str, revision: int) -> str:
    """What a picture's edit says at a revision, so that a wrong or torn text shows."""
    return f"{picture_id} at {revision} " + "x" * (revision * 37 % 500)


def save_edits(workspace: Workspace, set_id: str, picture_ids: list[str]) -> None:
    revisions = {view.id: view.revision for view in workspace.views(set_id)}
    say("open")
    while True:
        for picture_id in picture_ids:
            revision = revisions[picture_id]
            saved = workspace.save_edit(set_id, picture_id, text_of(picture_id, revision + 1), revision)
            assert saved.ok, saved
            revisions[picture_id] = saved.revision
            say(picture_id, saved.revision)


def change_all(workspace: Workspace, set_id: str, picture_ids: list[str]) -> None:
    number = workspace.views(set_id)[0].revision
    say("open")
    while True:
        number += 1
        assert workspace.apply_edits(set_id, dict.fromkeys(picture_ids, f"bulk {number}"), "Bulk").ok
        say("all", number)


def fill_and_rate(workspace: Workspace, set_id: str, picture_ids: list[str]) -> None:
    """Cells of a sweep of their own, and a rating for each; its sweep is the set's newest."""
    number, [picture_id] = 0, picture_ids
    sweep = workspace.lab.create(set_id, "killed", {})
    say("open")
    while True:
        number += 1
        workspace.lab.put_cells(set_id, sweep, [StoredCell(picture_id, number, f"cell {number}", {"at": number})])
        workspace.lab.rate(set_id, picture_id, f"cell {number}", "green", {})
        say(sweep, number)


def main() -> None:
    store, work, folder, set_id, *picture_ids = sys.argv[1:]
    open_workspace = {"durable": Workspace, "hasty": HastyWorkspace}[store]
    do = {"edits": save_edits, "bulk": change_all, "lab": fill_and_rate}[work]
    for _ in sys.stdin:
        # A fork starts in a hundredth of the time that loading Python again takes. This process itself never opens a
        # workspace, so the fork shares nothing with it but loaded code.
        pid = os.fork()
        if pid == 0:
            do(open_workspace(folder), set_id, picture_ids)
        say("pid", pid)
        os.waitpid(pid, 0)
        say("gone")


if __name__ == "__main__":
    main()
