"""Which class reads which integration type. Adding a type is a folder and a line here."""

from __future__ import annotations

from pulse.sources.base import Source
from pulse.sources.github.extract import GitHubSource
from pulse.sources.jira.extract import JiraSource

SOURCES: dict[str, type[Source]] = {"github": GitHubSource, "jira": JiraSource}


def source_for(integration_type: str) -> type[Source]:
    """The source of an integration type. Raises KeyError for an unknown one."""
    return SOURCES[integration_type]
