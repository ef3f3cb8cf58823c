"""Pulse on one machine: installs, configures, starts, watches and stops all of its processes.

`cli` and all that it imports use only the standard library, since they run before anything is installed; the other
modules run in Airflow's virtual environment.
"""
