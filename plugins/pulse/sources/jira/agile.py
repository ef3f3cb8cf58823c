"""Boards and sprints of Jira Software, if a site has it.

Each run reads the open sprints of every board, and once a week all of them. A sprint that is no longer among the open ones
was closed or deleted, so it is read by its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, LiteralString

from pulse.errors import AccessLost, AuthError, UpstreamError
from pulse.sources.base import Source, page_of
from pulse.sources.jira import endpoints, records
from pulse.sources.jira.client import JiraClient
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, RawRow, Reject

STREAM = "sprints"
ALL_SPRINTS_EVERY = timedelta(days=7)
MAX_SINGLE_REQUESTS = 100
_OPEN_OR_OF_BOARDS = """
    select record_id from raw.jira_sprints
    where client_id = %(client)s and integration_id = %(integration)s and deleted_at is null
      and (payload ->> 'state' in ('active', 'future') or scope_key = any(%(boards)s))
    order by record_id::bigint desc
"""
_STORED_BOARDS = """
    select record_id from raw.jira_boards
    where client_id = %(client)s and integration_id = %(integration)s and deleted_at is null
"""
SHOWN = 5  # names in a warning


class Agile:
    """Stores the boards of the extracted projects and their sprints.

    They are an optional part: what cannot be read of them is a warning, and is read in the next run.
    """

    def __init__(self, source: Source, jira: JiraClient, projects: Iterable[str]) -> None:
        self.source = source
        self.jira = jira
        self.projects = set(projects)
        self.unread: dict[str, UpstreamError] = {}
        self.lost: list[str] = []  # texts of items that cannot be read

    def run(self, now: datetime) -> None:
        """Bring boards and sprints up to date. A site without Jira Software has none. `now`: the server's time."""
        try:
            listed = list(self.jira.offset_pages(endpoints.BOARDS, "values", endpoints.AGILE_PAGE, self.lost))
        except AccessLost:
            return
        except AuthError:
            # The token has just read the projects, so only this part is closed to it.
            self.source.stats.warn("the Jira token may not read boards and sprints (Jira Software); they are left out")
            return
        except UpstreamError as error:
            self.jira.http.forget(0)
            self.source.stats.warn(f"the boards could not be read, and are read in the next run: {error}")
            return
        boards = page_of("jira_boards", filter(self._is_extracted, listed), records.board)
        self._reject_lost(boards, "")
        known = {row.record_id for row in boards.rows} | {str(reject.record_id) for reject in boards.rejects}
        boards.gone.extend(self._gone(self._stored(_STORED_BOARDS) - known, endpoints.BOARDS + "/{}"))
        self.source.store([boards])
        self._sprints([row for row in boards.rows if row.payload["type"] != "kanban"], now)
        if self.unread:
            names = ", ".join(sorted(self.unread)[:SHOWN]) + (", …" if len(self.unread) > SHOWN else "")
            self.source.stats.warn(
                f"{names} could not be read, and will be in the next run; everything else was."
                f" The first answer: {next(iter(self.unread.values()))}"
            )

    def _is_extracted(self, board: Any) -> bool:
        """Whether a board belongs to an extracted project. A board that does not name its project counts as ours."""
        location = board.get("location") if isinstance(board, dict) else None
        location = location if isinstance(location, dict) else {}
        return location.get("projectId") is None or str(location["projectId"]) in self.projects

    def _sprints(self, boards: list[RawRow], now: datetime) -> None:
        seen: set[str] = set()
        whole: list[str] = []
        for board in boards:
            checkpoint = self.source.checkpoint(STREAM, board.record_id)
            due = checkpoint.watermark_at is None or now - checkpoint.watermark_at >= ALL_SPRINTS_EVERY
            if not due and checkpoint.cursor.get("none"):
                continue
            try:
                found = self._of_board(board.record_id, due)
            except UpstreamError as error:
                self.jira.http.forget(0)
                self.unread[f"board {board.payload['name']}"] = error
                continue
            if found is None:
                # A board without sprints is read again in a week.
                self.source.store([], [Checkpoint(STREAM, board.record_id, now, {"none": True})])
                continue
            page = page_of("jira_sprints", found, records.sprint, board.record_id)
            self._reject_lost(page, board.record_id)
            seen.update(row.record_id for row in page.rows)
            self.source.store([page], [Checkpoint(STREAM, board.record_id, now)] if due else [])
            whole += [board.record_id] if due else []
        self._read_unlisted(seen, whole)

    def _of_board(self, board_id: str, everything: bool) -> list[Any] | None:
        """All sprints of a board, or its open ones; None if it has no sprints or may not be read."""
        states = {} if everything else {"state": "active,future"}
        path = endpoints.BOARD_SPRINTS.format(board_id)
        try:
            found = list(self.jira.offset_pages(path, "values", endpoints.AGILE_PAGE, self.lost, **states))
        except (AccessLost, AuthError):
            return None
        except UpstreamError as error:
            if error.status != 400:  # "The board does not support sprints"
                raise
            return None
        return [_with_board(one, board_id) for one in found]

    def _read_unlisted(self, seen: set[str], whole: list[str]) -> None:
        """Read sprints one by one that should have been listed but were not."""
        page = Page("jira_sprints")
        missing = self._stored(_OPEN_OR_OF_BOARDS, boards=whole) - seen
        for sprint_id in sorted(missing, key=int, reverse=True)[:MAX_SINGLE_REQUESTS]:
            try:
                item = self.jira.get(endpoints.SPRINT.format(sprint_id)).body
            except AccessLost:
                page.gone.append(sprint_id)
                continue
            except AuthError:
                continue
            except UpstreamError as error:
                self.unread[f"sprint {sprint_id}"] = error
                continue
            one = page_of("jira_sprints", [item] if item is not None else [], records.sprint)
            page.rows.extend(one.rows)
            page.rejects.extend(one.rejects)
        self.source.store([page])

    def _reject_lost(self, page: Page, scope_key: str) -> None:
        """Keep the texts of what could not be read, even alone."""
        reason = "Jira's answer about this record cannot be read, even alone"
        page.rejects.extend(Reject(None, scope_key, json.dumps({"answer": text}), reason) for text in self.lost)
        self.lost.clear()

    def _gone(self, ids: Iterable[str], path: str) -> Iterator[str]:
        """The ids among these that Jira, asked one by one, no longer knows."""
        for one in sorted(ids, key=int)[:MAX_SINGLE_REQUESTS]:
            try:
                self.jira.get(path.format(one))
            except AccessLost:
                yield one
            except AuthError:
                continue
            except UpstreamError as error:
                self.unread[f"board {one}"] = error

    def _stored(self, query: LiteralString, **params: Any) -> set[str]:
        return {record_id for (record_id,) in self.source.query(query, **params)}


def _with_board(item: Any, board_id: str) -> Any:
    """A sprint with the board it was read from, if Jira does not say which board it was created on."""
    if not isinstance(item, dict) or item.get("originBoardId") is not None:
        return item
    return {**item, "originBoardId": int(board_id)}
