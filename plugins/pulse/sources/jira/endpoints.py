"""The paths and fields that are asked of Jira: REST API v3 of Cloud, v2 of Data Center, Jira Software's agile API of both."""

SEARCH = "rest/api/3/search/jql"
ISSUES = "rest/api/3/issue/bulkfetch"
CHANGELOGS = "rest/api/3/changelog/bulkfetch"
PROJECTS = "rest/api/3/project/search"
PROJECT = "rest/api/3/project/{}"
STATUSES = "rest/api/3/status"
FIELDS = "rest/api/3/field"
TENANT = "_edge/tenant_info"

# Version 2 is there in every flavour.
SERVER_INFO = "rest/api/2/serverInfo"
DC_SEARCH = "rest/api/2/search"
DC_PROJECTS = "rest/api/2/project"
DC_PROJECT = "rest/api/2/project/{}"
DC_STATUSES = "rest/api/2/status"
DC_FIELDS = "rest/api/2/field"

BOARDS = "rest/agile/1.0/board"
BOARD_SPRINTS = "rest/agile/1.0/board/{}/sprint"
SPRINT = "rest/agile/1.0/sprint/{}"

# Ids alone come 5,000 a page; any other field would bring that down to 100.
SEARCH_PAGE = 5000
# With named, single-valued fields Jira gives up to 1,000 issues a call, else 100.
ISSUE_PAGE = 1000
ISSUE_PAGE_FALLBACK = 100
CHANGELOG_ISSUES = 1000
CHANGELOG_PAGE = 10_000
PROJECT_PAGE = 50
AGILE_PAGE = 50
# Data Center: what is asked for (its admin may have set a lower cap), what is still tried after a timeout, ids in one query.
DC_PAGE, DC_SMALLEST_PAGE, DC_IDS = 1000, 50, 100
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
# Custom fields that are found by name, as their ids differ from site to site: what they mean, what they are called.
CUSTOM_FIELDS = {
    "story_points": ("story points", "story point estimate"),
    "sprints": ("sprint",),
    "epic_link": ("epic link",),
    "development": ("development",),
}
