"""What a custom source answers, and whether its declaration fits."""

from __future__ import annotations

from pulse.errors import PulseError
from pulse.sources import check
from pulse.sources.base import Credential, Integration
from pulse.sources.check import Report
from pulse.sources.http_json import paging
from pulse.sources.http_json.extract import declared
from pulse.sources.http_json.records import map_records
from pulse.warehouse.runs import RunStats


def ask(integration: Integration, credential: Credential) -> Report:
    """The first page of each stream, mapped as declared. Raises the errors of pulse.errors if nothing can be asked."""
    report = Report(integration.name)
    upstream, streams = declared(integration, credential, RunStats())
    upstream.http.tries = check.TRIES
    if not streams and integration.base_url:  # a Connection knows an address and no streams
        answer = upstream.http.call("GET", f"{upstream.base_url}{integration.config.get('path', '')}")
        report.found.append(f"It answers: {paging.shape_of(answer.body)}.")
        return report
    read = [stream for stream in streams.values() if stream.path]
    if not read:
        report.found.append("Records are only pushed: nothing is asked for.")
    for stream in read:
        try:
            items = next(upstream.pages(stream, {}, {})).items
        except PulseError as error:
            if len(read) == 1 or error.status == 401:
                raise
            report.missing.append(f"Stream {stream.name} cannot be read: {error}")
            continue
        mapped = map_records(stream, items)
        good = len(mapped.page.rows)
        report.found.append(
            f"Stream {stream.name}: {len(items)} records on the first page, {good} are {stream.entity}."
        )
        if mapped.page.rejects:
            reason = mapped.page.rejects[0].reason
            report.missing.append(
                f"Stream {stream.name}: {len(mapped.page.rejects)} records do not fit the declaration: {reason}."
            )
        elif not good:
            report.needed.append(f"Stream {stream.name} has no record that counts yet.")
    return report


CHECK = ask
