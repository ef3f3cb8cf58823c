"""Custom sources: any HTTP endpoint that answers with JSON, as an admin declares it."""
