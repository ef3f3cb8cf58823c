"""The GraphQL that is asked of GitHub.

A page of 24 pull requests has 24 x 6 + 1 = 145 connections and so costs one point (GitHub: connections / 100, rounded, at
least 1); 25 would cost two. 24 also stays clear of GitHub's ten-second limit, where wider pages fail.
"""

PULL_REQUEST_PAGE = 24
DEPLOYMENT_PAGE = 100
HISTORY_PAGE = 100
DRAIN_PAGE = 100

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


def _connections(connections: dict[str, tuple[str, str, int]]) -> str:
    return " ".join(
        f"{name}(first: {count}{arguments}) {{ {_PAGE_INFO} {selection} }}"
        for name, (arguments, selection, count) in connections.items()
    )


REPOSITORIES = f"""
query Repositories($login: String!, $after: String) {{
  {_RATE}
  repositoryOwner(login: $login) {{
    repositories(first: 100, after: $after, ownerAffiliations: [OWNER], orderBy: {{field: NAME, direction: ASC}}) {{
      {_PAGE_INFO}
      nodes {{
        databaseId id nameWithOwner url isArchived pushedAt
        defaultBranchRef {{ name target {{ oid }} }}
      }}
    }}
  }}
}}"""

PULL_REQUESTS = f"""
query PullRequests($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      pullRequests(first: $first, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
        {_PAGE_INFO}
        nodes {{
          id fullDatabaseId number title body url state isDraft createdAt updatedAt publishedAt mergedAt closedAt
          additions deletions changedFiles baseRefName headRefName
          author {_ACTOR}
          mergeCommit {{ oid parents(first: 1) {{ totalCount }} }}
          comments {{ totalCount }}
          {_connections(PULL_REQUEST_CONNECTIONS)}
        }}
      }}
    }}
  }}
}}"""

_DEPLOYMENT = f"""
id databaseId environment task state createdAt updatedAt description commitOid
ref {{ name }} creator {{ login }} {_connections(DEPLOYMENT_CONNECTIONS)}
"""

DEPLOYMENTS = f"""
query Deployments($id: ID!, $first: Int!, $after: String) {{
  {_RATE}
  node(id: $id) {{
    ... on Repository {{
      deployments(first: $first, after: $after, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
        {_PAGE_INFO}
        nodes {{ {_DEPLOYMENT} }}
      }}
    }}
  }}
}}"""

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
              nodes {{ oid authoredDate committedDate messageHeadline parents(first: 10) {{ nodes {{ oid }} }} }}
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
        f'n{index}: node(id: "{node_id}") {{ id ... on {typename} {{ '
        f'{name}(first: {DRAIN_PAGE}, after: "{cursor}"{arguments}) {{ {_PAGE_INFO} {selection} }} }} }}'
        for index, (node_id, cursor) in enumerate(after.items())
    ]
    return f"query Drain {{ {_RATE} {' '.join(parts)} }}"
