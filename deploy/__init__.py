"""Pulse in containers: what docker-compose.yml needs besides the images."""
