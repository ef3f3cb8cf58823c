"""A custom source with the world's data: a pager and a deployment tool."""
