"""The paths and fields that are asked of Jira Cloud's REST API v3."""

SEARCH = "rest/api/3/search/jql"
ISSUES = "rest/api/3/issue/bulkfetch"
CHANGELOGS = "rest/api/3/changelog/bulkfetch"
PROJECTS = "rest/api/3/project/search"
STATUSES = "rest/api/3/status"
FIELDS = "rest/api/3/field"
TENANT = "_edge/tenant_info"

# Ids alone come 5,000 a page; any other field would bring that down to 100.
SEARCH_PAGE = 5000
# With named, single-valued fields Jira gives up to 1,000 issues a call, else 100.
ISSUE_PAGE = 1000
ISSUE_PAGE_FALLBACK = 100
CHANGELOG_ISSUES = 1000
CHANGELOG_PAGE = 5000
PROJECT_PAGE = 50

ISSUE_FIELDS = [
    "summary", "issuetype", "status", "priority", "labels", "components", "fixVersions", "created", "updated",
    "resolutiondate", "resolution", "assignee", "reporter", "parent", "project", "description", "issuelinks",
]  # fmt: skip
# Custom fields that are found by name, as their ids differ from site to site: what they mean, what they are called.
CUSTOM_FIELDS = {"story_points": ("story points", "story point estimate"), "sprints": ("sprint",)}
