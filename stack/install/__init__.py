"""Installing Pulse and checking the machine. Standard library only: it runs before anything is installed."""
