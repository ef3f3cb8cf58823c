"""Superset's side is on the path: what these tests read of it needs no Superset."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "superset"))
