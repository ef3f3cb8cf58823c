"""The GraphQL that is asked of GitHub.

A page of 24 pull requests has 24 x 6 + 1 = 145 connections and so costs one point (GitHub: connections / 100, rounded, at
least 1); 25 would cost two. 24 also stays clear of GitHub's ten-second limit, where wider pages fail.
"""

import json

# Widths of a page, each tried when GitHub cannot answer for the one before.
PULL_REQUEST_PAGES = (24, 12, 6, 3, 1)
DEPLOYMENT_PAGES = (100, 50, 25, 12, 6, 3, 1)
PAGES = (100, 50, 20, 5, 1)
NODES = 100

_RATE = "rateLimit { cost remaining resetAt nodeCount }"
_PAGE_INFO = "pageInfo { hasNextPage endCursor }"
_ACTOR = "{ __typename login }"
_TIMELINE_TYPES = (
    "READY_FOR_REVIEW_EVENT, CONVERT_TO_DRAFT_EVENT, REVIEW_REQUESTED_EVENT, HEAD_REF_FORCE_PUSHED_EVENT,"
    " MERGED_EVENT, CLOSED_EVENT, REOPENED_EVENT, ADDED_TO_MERGE_QUEUE_EVENT, REMOVED_FROM_MERGE_QUEUE_EVENT"
)
_EVENT_TYPES = (
    "ReadyForReviewEvent", "ConvertToDraftEvent", "ReviewRequestedEvent", "HeadRefForcePushedEvent", "MergedEvent",
    "ClosedEvent", "ReopenedEvent", "AddedToMergeQueueEvent", "RemovedFromMergeQueueEvent",
)  # fmt: skip

COMMITS = "nodes { commit { oid authoredDate committedDate messageHeadline author { user { login } } } }"
REVIEWS = f"nodes {{ fullDatabaseId state submittedAt author {_ACTOR} comments {{ totalCount }} }}"
TIMELINE = "nodes { __typename " + " ".join(
    f"... on {name} {{ id createdAt actor {{ login }} }}" for name in _EVENT_TYPES
) + " }"  # fmt: skip
LABELS = "nodes { name }"
CLOSING = "nodes { number repository { nameWithOwner } }"
STATUSES = "nodes { id state createdAt updatedAt logUrl environmentUrl }"

# Inner connections: field, arguments besides first and after, selection, how many come with the page.
PULL_REQUEST_CONNECTIONS = {
    "labels": ("", LABELS, 20),
    "commits": ("", COMMITS, 50),
    "reviews": ("", REVIEWS, 30),
    "timelineItems": (f", itemTypes: [{_TIMELINE_TYPES}]", TIMELINE, 40),
    "closingIssuesReferences": ("", CLOSING, 5),
}
DEPLOYMENT_CONNECTIONS = {"statuses": ("", STATUSES, 10)}


def _connections(connections: dict[str, tuple[str, str, int]], first: int | None = None) -> str:
    return " ".join(
        f"{name}(first: {first or count}{arguments}) {{ {_PAGE_INFO} {selection} }}"
        for name, (arguments, selection, count) in connections.items()
    )


_REPOSITORY = "databaseId id nameWithOwner url isArchived pushedAt defaultBranchRef { name target { oid } }"

REPOSITORIES = f"""
query Repositories($login: String!, $first: Int!, $after: String) {{
  {_RATE}
  repositoryOwner(login: $login) {{
    repositories(first: $first, after: $after, ownerAffiliations: [OWNER], orderBy: {{field: NAME, direction: ASC}}) {{
      {_PAGE_INFO}
      nodes {{ {_REPOSITORY} }}
    }}
  }}
}}"""

REPOSITORY = f"""
query Repository($owner: String!, $name: String!) {{
  {_RATE}
  repository(owner: $owner, name: $name) {{ {_REPOSITORY} }}
}}"""

_PULL_REQUEST = f"""
id fullDatabaseId number title body url state isDraft createdAt updatedAt publishedAt mergedAt closedAt
additions deletions changedFiles baseRefName headRefName
author {_ACTOR}
mergeCommit {{ oid parents(first: 1) {{ totalCount }} }}
comments {{ totalCount }}
"""
_DEPLOYMENT = f"""
id databaseId environment task state createdAt updatedAt description commitOid
ref {{ name }} creator {{ login }} {_connections(DEPLOYMENT_CONNECTIONS)}
"""


def _page(name: str, connection: str, order: str, selection: str) -> str:
    return f"""
query {name}($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      {connection}(first: $first, after: $after, orderBy: {{field: {order}, direction: DESC}}) {{
        {_PAGE_INFO}
        nodes {{ {selection} }}
      }}
    }}
  }}
}}"""


_PULL_REQUEST_INNER = _connections(PULL_REQUEST_CONNECTIONS)
PULL_REQUESTS = _page("PullRequests", "pullRequests", "UPDATED_AT", f"{_PULL_REQUEST} {_PULL_REQUEST_INNER}")
# For a pull request that is too much for GitHub in one piece: its connections are drained afterwards.
PULL_REQUESTS_THIN = _page(
    "PullRequestsThin", "pullRequests", "UPDATED_AT", f"{_PULL_REQUEST} {_connections(PULL_REQUEST_CONNECTIONS, 1)}"
)
# For one that GitHub cannot tell even so: enough to name it.
PULL_REQUESTS_BARE = _page("PullRequestsBare", "pullRequests", "UPDATED_AT", "id fullDatabaseId number url updatedAt")
PULL_REQUESTS_BY_ID = f"""
query PullRequestsById($ids: [ID!]!) {{
  {_RATE}
  nodes(ids: $ids) {{ ... on PullRequest {{ {_PULL_REQUEST} {_PULL_REQUEST_INNER} }} }}
}}"""

DEPLOYMENTS = _page("Deployments", "deployments", "CREATED_AT", _DEPLOYMENT)
DEPLOYMENTS_BARE = _page("DeploymentsBare", "deployments", "CREATED_AT", "id databaseId createdAt")
DEPLOYMENTS_BY_ID = f"""
query DeploymentsById($ids: [ID!]!) {{
  {_RATE}
  nodes(ids: $ids) {{ ... on Deployment {{ {_DEPLOYMENT} }} }}
}}"""

HISTORY = f"""
query History($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      defaultBranchRef {{
        target {{
          oid
          ... on Commit {{
            history(first: $first, after: $after) {{
              {_PAGE_INFO}
              nodes {{ oid authoredDate committedDate messageHeadline parents(first: 100) {{ nodes {{ oid }} }} }}
            }}
          }}
        }}
      }}
    }}
  }}
}}"""


def drain(typename: str, connection: tuple[str, tuple[str, str, int]], after: dict[str, str]) -> str:
    """A query for the next page of one inner connection of several nodes: `after` maps node ids to cursors."""
    name, (arguments, selection, _) = connection
    parts = [
        f"n{index}: node(id: {json.dumps(node_id)}) {{ id ... on {typename} {{ "
        f"{name}(first: $first, after: {json.dumps(cursor)}{arguments}) {{ {_PAGE_INFO} {selection} }} }} }}"
        for index, (node_id, cursor) in enumerate(after.items())
    ]
    return f"query Drain($first: Int!) {{ {_RATE} {' '.join(parts)} }}"
