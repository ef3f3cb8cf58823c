"""Which failures of a task are worth a retry, and when."""

from __future__ import annotations

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

# A wrong token or declaration does not repair itself: fail at once instead of an hour later.
PULSE_RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=["pulse.errors.AuthError", "pulse.errors.ConfigError", "pulse.errors.AccessLost"],
            action=RetryAction.FAIL,
            reason="this needs an admin; a retry would fail in the same way",
        ),
        RetryRule(
            exception="pulse.errors.TooMuch",
            action=RetryAction.FAIL,
            reason="the upstream sends more than one run takes; the next scheduled run continues",
        ),
        # Everything readable is stored and the watermark has moved, so a retry would be green and hide the rejects.
        RetryRule(
            exception="pulse.errors.TooManyRejects",
            action=RetryAction.FAIL,
            reason="too many records could not be read; see raw.rejects",
        ),
        RetryRule(
            exception="pulse.errors.PublicationStopped",
            action=RetryAction.FAIL,
            reason="a quality check stopped the publication and would stop it again",
        ),
        RetryRule(
            exception="pulse.errors.ReportsMaybeSent",
            action=RetryAction.FAIL,
            reason="a report may have been sent; a retry would pass it over and be green",
        ),
    ]
)
