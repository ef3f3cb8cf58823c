"""The brief: one light page of a client's numbers, drawn on the server, and the same as PDF and as mail."""
