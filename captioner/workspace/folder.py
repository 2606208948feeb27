"""Where a workspace lies unless a folder is given. Knows nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def default_folder() -> Path:
    """Where a workspace lies unless a folder is given: in the user's data folder, as each system has it."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "Captioner"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Captioner"
    base = os.environ.get("XDG_DATA_HOME", "")
    # A relative path there is invalid and to be ignored, says the XDG base directory specification.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "captioner"
