"""The paths and fields that Pulse requests: REST API v3 of Cloud, v2 of Data Center, and Jira Software's agile API of both."""

SEARCH = "rest/api/3/search/jql"
ISSUES = "rest/api/3/issue/bulkfetch"
CHANGELOGS = "rest/api/3/changelog/bulkfetch"
CHANGELOG = "rest/api/3/issue/{}/changelog"
PROJECTS = "rest/api/3/project/search"
PROJECT = "rest/api/3/project/{}"
STATUSES = "rest/api/3/status"
FIELDS = "rest/api/3/field"
TENANT = "_edge/tenant_info"

# Cloud and Data Center both have version 2.
SERVER_INFO = "rest/api/2/serverInfo"
DC_SEARCH = "rest/api/2/search"
DC_PROJECTS = "rest/api/2/project"
DC_PROJECT = "rest/api/2/project/{}"
DC_STATUSES = "rest/api/2/status"
DC_FIELDS = "rest/api/2/field"

BOARDS = "rest/agile/1.0/board"
BOARD_SPRINTS = "rest/agile/1.0/board/{}/sprint"
SPRINT = "rest/agile/1.0/sprint/{}"

# Ids alone come 5,000 per page; any other field would reduce that to 100.
SEARCH_PAGE = 5000
# The documented most issues per call of the bulk fetch.
ISSUE_PAGE = 100
# Issues that are stored together with their changelogs, and how few when that is too much at once.
BATCH, SMALLEST_BATCH = 1000, 15
CHANGELOG_ISSUES = 1000
CHANGELOG_PAGE = 10_000
# Of one issue's changelog, which is read so only where the bulk answer cannot be.
ALONE_PAGE = 100
PROJECT_PAGE = 50
AGILE_PAGE = 50
# Data Center: the page size (its admin may have set a lower cap), ids per query.
DC_PAGE, DC_IDS = 1000, 100
DC_ID_PAGE = 5000

ISSUE_FIELDS = [
    "summary",
    "issuetype",
    "status",
    "priority",
    "labels",
    "components",
    "fixVersions",
    "created",
    "updated",
    "resolutiondate",
    "resolution",
    "assignee",
    "reporter",
    "parent",
    "project",
    "description",
    "issuelinks",
]
# Custom fields are found by name, because their ids differ from site to site: meaning → the names they go by.
CUSTOM_FIELDS = {
    "story_points": ("story points", "story point estimate"),
    "sprints": ("sprint",),
    "epic_link": ("epic link",),
    "development": ("development",),
}
