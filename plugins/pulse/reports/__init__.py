"""Reports: the brief by mail, to those whom a client's Variable names."""
