"""Whose database login a query gets: run in Superset's own environment, where these modules live."""

from __future__ import annotations

import subprocess

from tests.conftest import ROOT

SCRIPT = """
import sys
sys.path[:0] = ["superset", "plugins"]
from pulse_connections import login_for
from pulse_branding import Brand, is_logo

assert login_for(["client_7"]) == "pulse_client_7"
assert login_for(["Admin"]) == login_for(["pulse_staff"]) == "pulse_staff"
for names in ([], ["Public"], ["Gamma"], ["client_7", "client_8"], ["client_7", "Admin"], ["client_7", "Gamma"],
              ["client_07"], ["client_0"], ["client_7 "], ["xclient_7"], ["client_7; drop role x"]):
    assert login_for(names) == "pulse_nobody", names

assert is_logo("data:image/png;base64,AAAA") and is_logo("/pulse/static/logo.svg")
assert not any(map(is_logo, ["https://evil.example/x.png", "//evil.example/x", "javascript:alert(1)", None, 3]))
brand = Brand.from_settings({"app_name": "X", "primary_color": "url(x)", "logo": "https://evil.example/x.png"})
assert brand.primary.startswith("#") and brand.logo.startswith("data:image/svg+xml")
print("fine")
"""


def test_login_and_brand_fail_closed() -> None:
    python = ROOT / ".pulse" / "venv" / "superset" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "SUPERSET_SECRET_KEY": "x" * 40, "PULSE_ROLE_SECRET": "s"},
    )  # fmt: skip
    assert done.stdout.strip().endswith("fine"), done.stderr[-3000:]
