"""Where Airflow finds the plugin in its folder of plugins; an installed package has an entry point instead (pyproject.toml)."""

from pulse.plugin import PulsePlugin

__all__ = ["PulsePlugin"]
