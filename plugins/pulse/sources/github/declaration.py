"""What an admin declares about an integration of GitHub, and the tables that its records come to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import AnyHttpUrl, Field

from pulse.clients.integration import CommonIntegration


class GitHubIntegration(CommonIntegration):
    """A GitHub organisation or user account: github.com, GHE.com or an Enterprise Server."""

    entities: ClassVar[tuple[str, ...]] = (
        *("repositories", "pull_requests", "commits", "tags", "deployments", "workflow_runs", "workflow_jobs"),
        *("releases", "issues", "comparisons"),
    )
    # What every visit asks for again until it has ended: few rows of large tables.
    indexes: ClassVar[dict[str, str]] = {
        "github_deployments_open": "github_deployments (client_id, integration_id, scope_key) where deleted_at is null"
        " and payload ->> 'state' in ('PENDING', 'QUEUED', 'IN_PROGRESS', 'WAITING')",
        "github_workflow_runs_open": "github_workflow_runs (client_id, integration_id, scope_key)"
        " where deleted_at is null and payload ->> 'status' <> 'completed'",
        "github_workflow_runs_repeated": "github_workflow_runs (client_id, integration_id, scope_key)"
        " where deleted_at is null and payload ->> 'run_attempt' <> '1'",
    }
    scopes: ClassVar[str] = "repositories"
    rank: ClassVar[int] = 1

    type: Literal["github"]
    base_url: AnyHttpUrl = Field(
        AnyHttpUrl("https://api.github.com"), description="Enterprise Server: `https://HOST/api/v3`"
    )
    organization: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,99}$", description="an organisation or user", examples=["acme"]
    )
    repositories: list[str] = Field(
        ["*"], min_length=1, description="names or patterns of repositories", examples=[["shop", "billing-*"]]
    )
    exclude_repositories: list[str] = Field(
        [], description="names or patterns of repositories to leave out", examples=[["*-archive"]]
    )
    workflow_runs: bool = Field(
        True, description="extract workflow runs and their jobs (one REST call per visited repository)"
    )
    pull_request_files: bool = Field(
        False,
        description="extract the paths that pull requests change, for the services of a monorepo. When it is turned on,"
        " all pull requests are read once more",
    )
    installation_id: int | None = Field(
        None, ge=1, description="the installation of a GitHub App; without it, Pulse asks GitHub"
    )

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return {
            "organization": self.organization,
            "repositories": self.repositories,
            "exclude_repositories": self.exclude_repositories,
            "workflow_runs": self.workflow_runs,
            "pull_request_files": self.pull_request_files,
            **({"installation_id": self.installation_id} if self.installation_id else {}),
            **self._common(),
        }


DECLARATION = GitHubIntegration
