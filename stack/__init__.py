"""Pulse on one machine: installs, configures, starts, watches and stops all of its processes.

Modules up to `cli` use only the standard library, since they run before anything is installed; the others run in
Airflow's virtual environment.
"""
