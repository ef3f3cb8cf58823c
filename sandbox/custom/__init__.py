"""A custom source over the world: a pager and a deployment tool."""
