"""Where records come from: one folder per integration type, with the same files in each."""
