"""Where records come from: one folder per integration type, with the same files in each. PULSE_SOURCES names further ones."""

from pulse import environ

__path__ += [str(folder / "sources") for folder in environ.SOURCES.get()]
