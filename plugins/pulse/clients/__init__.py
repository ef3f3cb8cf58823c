"""What an admin declares about a client, and how it gets into the tables."""
