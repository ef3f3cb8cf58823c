"""A simulated GitHub and Jira whose world changes over time: for the demo, the tests and the benchmarks."""
