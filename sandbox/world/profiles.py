"""The two demo companies: their names, how they work, and how that changes over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Phase:
    """How work goes for some time. Hours are medians; shares are between 0 and 1."""

    coding_hours: float
    pickup_hours: float
    review_hours: float
    pull_requests_per_day: float
    failed_share: float
    recovery_hours: float
    deploy_wait_hours: float


@dataclass(frozen=True)
class Profile:
    """A company: repositories (name, share of the work), people, projects, and its phases by months before the anchor."""

    login: str
    repositories: tuple[tuple[str, float], ...]
    people: tuple[str, ...]
    projects: tuple[tuple[str, str], ...]
    utc_offset_hours: int
    deploys_per_week: float | None  # None: after merges
    phases: tuple[tuple[float, Phase], ...]  # (until how many months before the anchor, phase), oldest first

    def phase(self, day: date, anchor: date) -> Phase:
        """The phase in force on a day."""
        months_before = (anchor - day).days / 30.44
        for until, phase in self.phases:
            if months_before >= until:
                return phase
        return self.phases[-1][1]


_GOOD = Phase(7, 2, 3, 6.5, 0.05, 1.6, 1.0)
_BAD = Phase(24, 20, 26, 4.2, 0.27, 9.0, 14.0)
_RECOVERING = Phase(12, 6, 8, 5.5, 0.12, 3.5, 4.0)
_BEST = Phase(6, 1.5, 2.5, 7.2, 0.04, 1.1, 0.7)

TECHCORP = Profile(
    login="techcorp",
    repositories=(
        ("checkout", 0.24),
        ("payments", 0.2),
        ("catalog", 0.18),
        ("search", 0.14),
        ("accounts", 0.12),
        ("notifications", 0.12),
    ),
    people=(
        "mira-lund",
        "tariq-aziz",
        "jo-becker",
        "sofia-rossi",
        "kenji-mori",
        "ana-costa",
        "piotr-nowak",
        "lena-vogel",
        "omar-haddad",
        "grace-kim",
        "noah-weber",
        "ines-moreau",
    ),
    projects=(("SHOP", "Shop"), ("PAY", "Payments")),
    utc_offset_hours=1,
    deploys_per_week=None,
    phases=((9, _GOOD), (5.5, _BAD), (3.5, _RECOVERING), (-99, _BEST)),
)

ACME = Profile(
    login="acme",
    repositories=(("portal", 0.45), ("billing", 0.3), ("warehouse-api", 0.25)),
    people=("dana-fox", "hugo-lind", "priya-nair", "sam-okafor", "elif-kaya"),
    projects=(("ACM", "Acme Platform"),),
    utc_offset_hours=-6,
    deploys_per_week=2,
    phases=(
        (12, Phase(40, 30, 34, 1.3, 0.24, 22, 0)),
        (7, Phase(34, 22, 26, 1.5, 0.2, 15, 0)),
        (3, Phase(28, 14, 18, 1.8, 0.15, 10, 0)),
        (-99, Phase(20, 9, 12, 2.1, 0.11, 6, 0)),
    ),
)

# Many small repositories, to test calls that read many at once.
THIRTY = Profile(
    login="thirty",
    repositories=tuple((f"service-{number:02d}", 1 / 30) for number in range(1, 31)),
    people=("ada", "brook", "chen"),
    projects=(("THI", "Thirty"),),
    utc_offset_hours=0,
    deploys_per_week=2,
    phases=((-99, Phase(8, 3, 4, 0.8, 0.05, 3, 0)),),
)

PROFILES = {profile.login: profile for profile in (TECHCORP, ACME, THIRTY)}
