"""Which processes Pulse consists of, and the supervisor that runs them."""
