"""A simulated GitHub and Jira with time in it: for the demo, the tests and the benchmarks."""
