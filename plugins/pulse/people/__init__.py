"""Links by which people set their passwords: who gets one, and the mail with it."""
