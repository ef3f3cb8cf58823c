"""What an admin declares about a client, and its way into the tables."""
