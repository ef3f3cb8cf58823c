"""The GraphQL queries for GitHub.

GitHub charges connections / 100 points per query, rounded, at least 1. A page of 24 pull requests has 24 x 6 + 1 = 145
connections, and one of 21 with files has 21 x 7 + 1 = 148, so each costs one point; one more pull request would cost two.
24 also stays clear of GitHub's ten-second limit, which wider pages exceed. The probe of 36 repositories has
36 x 4 + 1 = 145.
"""

import json
from collections.abc import Mapping, Sequence

# Page sizes; each is tried when GitHub cannot answer for the one before.
PULL_REQUEST_PAGES = (24, 12, 6, 3, 1)
PULL_REQUEST_WITH_FILES_PAGES = (21, 12, 6, 3, 1)
DEPLOYMENT_PAGES = (100, 50, 25, 12, 6, 3, 1)
PAGES = (100, 50, 20, 5, 1)
PROBE_PAGES = (36, 18, 6, 1)
PROBED_TOGETHER = 30
NODES = 100

_RATE = "rateLimit { cost remaining resetAt nodeCount }"
_PAGE_INFO = "pageInfo { hasNextPage endCursor }"
_ACTOR = "{ __typename login }"
_TIMELINE_TYPES = (
    "READY_FOR_REVIEW_EVENT, CONVERT_TO_DRAFT_EVENT, REVIEW_REQUESTED_EVENT, HEAD_REF_FORCE_PUSHED_EVENT,"
    " MERGED_EVENT, CLOSED_EVENT, REOPENED_EVENT, ADDED_TO_MERGE_QUEUE_EVENT, REMOVED_FROM_MERGE_QUEUE_EVENT"
)
_EVENT_TYPES = (
    "ReadyForReviewEvent",
    "ConvertToDraftEvent",
    "ReviewRequestedEvent",
    "HeadRefForcePushedEvent",
    "MergedEvent",
    "ClosedEvent",
    "ReopenedEvent",
    "AddedToMergeQueueEvent",
    "RemovedFromMergeQueueEvent",
)

COMMIT = "oid authoredDate committedDate messageHeadline message author { email user { login } }"
COMMITS = f"nodes {{ commit {{ {COMMIT} }} }}"
REVIEWS = f"nodes {{ fullDatabaseId state submittedAt author {_ACTOR} comments {{ totalCount }} }}"
# Without an orderBy, GitHub returns them in the order they were written.
COMMENTS = f"totalCount nodes {{ fullDatabaseId createdAt author {_ACTOR} }}"
TIMELINE = (
    "nodes { __typename "
    + " ".join(f"... on {name} {{ id createdAt actor {{ login }} }}" for name in _EVENT_TYPES)
    + " }"
)
LABELS = "nodes { name }"
CLOSING = "nodes { number repository { nameWithOwner } }"
STATUSES = "nodes { id state createdAt updatedAt logUrl environmentUrl }"
FILES = "nodes { path additions deletions }"

# Inner connections: field, arguments other than first and after, selection, how many come with the page.
PULL_REQUEST_CONNECTIONS = {
    "labels": ("", LABELS, 20),
    "commits": ("", COMMITS, 50),
    "reviews": ("", REVIEWS, 30),
    # Only the first one by another person is needed (records.first_comments), and it is seldom further down.
    "comments": ("", COMMENTS, 10),
    "timelineItems": (f", itemTypes: [{_TIMELINE_TYPES}]", TIMELINE, 40),
    "closingIssuesReferences": ("", CLOSING, 5),
}
# Only if a client maps services to paths of a monorepo.
FILE_CONNECTIONS = {"files": ("", FILES, 50)}
DEPLOYMENT_CONNECTIONS = {"statuses": ("", STATUSES, 10)}
ISSUE_CONNECTIONS = {"labels": ("", LABELS, 20)}


def _connections(connections: dict[str, tuple[str, str, int]]) -> str:
    return " ".join(
        f"{name}(first: {count}{arguments}) {{ {_PAGE_INFO} {selection} }}"
        for name, (arguments, selection, count) in connections.items()
    )


# A repository, and what shows whether anything in it moved: the count and the newest row of each connection.
_NEWEST = "orderBy: {field: UPDATED_AT, direction: DESC}"
_REPOSITORY = f"""
databaseId id nameWithOwner url isArchived createdAt pushedAt defaultBranchRef {{ name target {{ oid }} }}
pullRequests(first: 1, {_NEWEST}) {{ totalCount nodes {{ updatedAt }} }}
issues(first: 1, {_NEWEST}) {{ totalCount nodes {{ updatedAt }} }}
deployments(first: 1, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ totalCount nodes {{ databaseId updatedAt }} }}
releases(first: 1, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ totalCount nodes {{ updatedAt }} }}
refs(refPrefix: "refs/tags/") {{ totalCount }}
"""


def _repositories(name: str, selection: str) -> str:
    return f"""
query {name}($login: String!, $first: Int!, $after: String) {{
  {_RATE}
  repositoryOwner(login: $login) {{
    repositories(first: $first, after: $after, ownerAffiliations: [OWNER], orderBy: {{field: NAME, direction: ASC}}) {{
      {_PAGE_INFO}
      nodes {{ {selection} }}
    }}
  }}
}}"""


REPOSITORIES = _repositories("Repositories", _REPOSITORY)
REPOSITORIES_BARE = _repositories("RepositoriesBare", "id nameWithOwner")


def repositories_named(names: Sequence[str]) -> str:
    """A query for repositories by owner/name, each under an alias (r0, r1, …)."""
    parts = [
        f"r{place}: repository(owner: {json.dumps(owner)}, name: {json.dumps(name)}) {{ {_REPOSITORY} }}"
        for place, (owner, _, name) in enumerate(full_name.partition("/") for full_name in names)
    ]
    return f"query RepositoriesNamed {{ {_RATE} {' '.join(parts)} }}"


REPOSITORIES_BY_ID = f"""
query RepositoriesById($ids: [ID!]!) {{
  {_RATE}
  nodes(ids: $ids) {{ ... on Repository {{ {_REPOSITORY} }} }}
}}"""

_PULL_REQUEST = f"""
id fullDatabaseId number title body url state isDraft createdAt updatedAt publishedAt mergedAt closedAt
additions deletions changedFiles baseRefName headRefName
author {_ACTOR}
mergeCommit {{ oid }}
"""
_DEPLOYMENT = f"""
id databaseId environment task state createdAt updatedAt description commitOid
ref {{ name }} creator {{ login }} {_connections(DEPLOYMENT_CONNECTIONS)}
"""
_ISSUE = f"""
id fullDatabaseId number title body url state stateReason createdAt updatedAt closedAt
author {_ACTOR} {_connections(ISSUE_CONNECTIONS)}
"""
_RELEASE = "id databaseId tagName name url isDraft isPrerelease createdAt publishedAt updatedAt tagCommit { oid }"


def _page(name: str, connection: str, order: str, selection: str) -> str:
    return f"""
query {name}($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      {connection}(first: $first, after: $after, orderBy: {{field: {order}, direction: DESC}}) {{
        {_PAGE_INFO}
        {f"nodes {{ {selection} }}" if selection else ""}
      }}
    }}
  }}
}}"""


def _by_id(name: str, typename: str, selection: str) -> str:
    return f"""
query {name}($ids: [ID!]!) {{
  {_RATE}
  nodes(ids: $ids) {{ ... on {typename} {{ {selection} }} }}
}}"""


_PULL_REQUEST_WHOLE = f"{_PULL_REQUEST} {_connections(PULL_REQUEST_CONNECTIONS)}"
_PULL_REQUEST_FILES = f"{_PULL_REQUEST_WHOLE} {_connections(FILE_CONNECTIONS)}"
PULL_REQUESTS = _page("PullRequests", "pullRequests", "UPDATED_AT", _PULL_REQUEST_WHOLE)
PULL_REQUESTS_BY_ID = _by_id("PullRequestsById", "PullRequest", _PULL_REQUEST_WHOLE)
PULL_REQUESTS_WITH_FILES = _page("PullRequestsWithFiles", "pullRequests", "UPDATED_AT", _PULL_REQUEST_FILES)
PULL_REQUESTS_WITH_FILES_BY_ID = _by_id("PullRequestsWithFilesById", "PullRequest", _PULL_REQUEST_FILES)
# For one that GraphQL cannot deliver: enough to identify it. The rest comes from REST.
PULL_REQUESTS_BARE = _page("PullRequestsBare", "pullRequests", "UPDATED_AT", "id fullDatabaseId number url updatedAt")

# For one that GraphQL cannot even identify: only where the next page is.
PULL_REQUESTS_BEHIND = _page("PullRequestsBehind", "pullRequests", "UPDATED_AT", "")

DEPLOYMENTS = _page("Deployments", "deployments", "CREATED_AT", _DEPLOYMENT)
DEPLOYMENTS_BARE = _page("DeploymentsBare", "deployments", "CREATED_AT", "id databaseId createdAt")
DEPLOYMENTS_BEHIND = _page("DeploymentsBehind", "deployments", "CREATED_AT", "")
DEPLOYMENTS_BY_ID = _by_id("DeploymentsById", "Deployment", _DEPLOYMENT)

ISSUES = _page("Issues", "issues", "UPDATED_AT", _ISSUE)
ISSUES_BARE = _page("IssuesBare", "issues", "UPDATED_AT", "id fullDatabaseId updatedAt")
ISSUES_BEHIND = _page("IssuesBehind", "issues", "UPDATED_AT", "")
ISSUES_BY_ID = _by_id("IssuesById", "Issue", _ISSUE)

RELEASES = _page("Releases", "releases", "CREATED_AT", _RELEASE)
RELEASES_BARE = _page("ReleasesBare", "releases", "CREATED_AT", "id databaseId createdAt")
RELEASES_BEHIND = _page("ReleasesBehind", "releases", "CREATED_AT", "")
RELEASES_BY_ID = _by_id("ReleasesById", "Release", _RELEASE)

_TAG = "id name target { __typename oid ... on Tag { tagger { date } target { oid } } }"


def _tags(name: str, selection: str) -> str:
    return f"""
query {name}($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      refs(refPrefix: "refs/tags/", first: $first, after: $after) {{
        {_PAGE_INFO}
        nodes {{ {selection} }}
      }}
    }}
  }}
}}"""


TAGS = _tags("Tags", _TAG)
TAGS_BARE = _tags("TagsBare", "id")

# The jobs of workflow runs are the check runs of their suites.
JOBS = f"""
query Jobs($ids: [ID!]!) {{
  {_RATE}
  nodes(ids: $ids) {{
    ... on WorkflowRun {{
      id databaseId
      checkSuite {{
        checkRuns(first: 100, filterBy: {{checkType: LATEST}}) {{
          {_PAGE_INFO} nodes {{ databaseId name status conclusion startedAt completedAt }}
        }}
      }}
    }}
  }}
}}"""


def _history(name: str, selection: str) -> str:
    return f"""
query {name}($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      defaultBranchRef {{
        target {{
          oid
          ... on Commit {{
            history(first: $first, after: $after) {{
              {_PAGE_INFO}
              nodes {{ {selection} parents(first: 100) {{ nodes {{ oid }} }} }}
            }}
          }}
        }}
      }}
    }}
  }}
}}"""


HISTORY = _history("History", "oid authoredDate committedDate messageHeadline message author { email }")
# Enough for the chain of commits.
HISTORY_BARE = _history("HistoryBare", "oid committedDate")


def census(connections: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A query for the ids of several connections of a repository at once.

    `connections` maps each connection to the field with its rows' database id. `after` holds the cursors of connections
    that are being continued.
    """
    parts = [
        f"{name}(first: $first{f', after: {json.dumps(after[name])}' if name in after else ''})"
        f" {{ {_PAGE_INFO} nodes {{ id {database_id} }} }}"
        for name, database_id in connections.items()
    ]
    return f"query Census($id: ID!, $first: Int!) {{ {_RATE} node(id: $id) {{ ... on Repository {{ {' '.join(parts)} }} }} }}"


def next_pages(typename: str, connection: tuple[str, tuple[str, str, int]], after: dict[str, str]) -> str:
    """A query for the next page of one inner connection of several nodes. `after` maps node ids to cursors."""
    name, (arguments, selection, _) = connection
    parts = [
        f"n{index}: node(id: {json.dumps(node_id)}) {{ id ... on {typename} {{ "
        f"{name}(first: $first, after: {json.dumps(cursor)}{arguments}) {{ {_PAGE_INFO} {selection} }} }} }}"
        for index, (node_id, cursor) in enumerate(after.items())
    ]
    return f"query Drain($first: Int!) {{ {_RATE} {' '.join(parts)} }}"
