"""What an admin declares about an integration of Jira, and the tables that its records come to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from pulse.clients.integration import CommonIntegration


class JiraIntegration(CommonIntegration):
    """A Jira site: Cloud, or Data Center (a personal access token: no login)."""

    entities: ClassVar[tuple[str, ...]] = ("projects", "statuses", "issues", "changelogs", "boards", "sprints")
    scopes: ClassVar[str] = "projects"
    rank: ClassVar[int] = 2

    type: Literal["jira"]
    projects: list[str] = Field(["*"], min_length=1, description="project keys or patterns", examples=[["OPS", "WEB*"]])
    custom_fields: list[str] = Field(
        [], max_length=50, description="names of further Jira fields to keep", examples=[["Severity"]]
    )

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        custom = {"custom_fields": self.custom_fields} if self.custom_fields else {}
        return {"projects": self.projects, **custom, **self._common()}


DECLARATION = JiraIntegration
