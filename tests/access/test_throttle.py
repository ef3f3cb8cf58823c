"""Who guesses waits; who does not, does not."""

from __future__ import annotations

import itertools

from pulse.access.throttle import FREE, LONGEST_WAIT_SECONDS, MOST_ENTRIES, Throttle


def test_the_wait_doubles_for_an_account_at_an_address() -> None:
    throttle = Throttle()
    for _ in range(FREE["both"]):
        assert throttle.seconds_to_wait("admin", "one") == 0
        throttle.failed("admin", "one")
    waits = []
    for _ in range(12):
        waits.append(throttle.seconds_to_wait("admin", "one"))
        throttle.failed("admin", "one")
    for shorter, longer in itertools.pairwise(waits[:5]):
        assert 0.4 * longer < shorter < longer
    assert 0 < max(waits) <= LONGEST_WAIT_SECONDS
    assert throttle.seconds_to_wait("ADMIN ", "one") > 0
    assert throttle.seconds_to_wait("data_team", "one") == 0
    assert throttle.seconds_to_wait("admin", "two") == 0


def test_many_accounts_from_one_address_and_one_account_from_many_addresses() -> None:
    throttle = Throttle()
    for number in range(FREE["address"] + 1):
        throttle.failed(f"user{number}", "one")
    assert throttle.seconds_to_wait("another", "one") > 0
    assert throttle.seconds_to_wait("another", "two") == 0
    for number in range(FREE["account"] + 1):
        throttle.failed("admin", f"address {number}")
    assert throttle.seconds_to_wait("admin", "a new one") > 0


def test_a_success_forgets_and_memory_is_bounded() -> None:
    throttle = Throttle()
    for _ in range(FREE["both"] + 1):
        throttle.failed("admin", "one")
    throttle.succeeded("admin", "one")
    assert throttle.seconds_to_wait("admin", "one") == 0
    for number in range(MOST_ENTRIES):
        throttle.failed(f"user{number}", f"address{number}")
    assert len(throttle._failures) <= MOST_ENTRIES
