"""A client's life from the command line: ./pulse client add, check, list, disable, enable, rename, purge, erase-person."""
