"""Where the records come from: one folder an integration type, the same files in each."""
