"""An export that is killed at whatever byte leaves nothing under its final name, and what was there stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The kernel ends the process at the first write beyond a byte: as a loss of power would, no handler runs.
KILLED = """
import json, os, resource, signal, sys
from pathlib import Path
from tests.test_trainers import items_in, write_folder, write_zip

name, kind, top = sys.argv[1], sys.argv[2], Path(sys.argv[3])
entries = [("a", ".png", "", "a cat"), ("b", ".png", "x", "a dog, running"), ("c", ".png", "", "")]
items = items_in(top / "own", entries)
write = write_zip if kind == "zip" else write_folder
final = "set.zip" if kind == "zip" else "set"
write(name, items, top / "whole" / final)
whole = top / "whole" / final
biggest = max(path.stat().st_size for path in [whole, *whole.rglob("*")] if path.is_file())
ends, found = [], []
for last in [*range(0, biggest, max(1, biggest // int(sys.argv[4]))), biggest]:
    place = top / str(last) / final
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (last, last))
        write(name, items, place)
        os._exit(0)
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if place.exists() == (ends[-1] != 0):
        found.append(last)
place = top / "again" / final  # and what was killed is not in the way of the next
write(name, items, place)
print(json.dumps({"killed": sum(end == -signal.SIGXFSZ for end in ends), "whole": ends.count(0), "wrong": found}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("name", ["kohya", "webdataset"])
def test_an_export_that_is_killed_at_any_byte_leaves_nothing_under_its_name(
    tmp_path: Path, name: str, kind: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", KILLED, name, kind, str(tmp_path), "50"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["wrong"] == []
    assert said["killed"] >= 50 and said["whole"] >= 1
