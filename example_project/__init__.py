"""The example project: one API, two tenants, and a front end for each on an origin of its own.

``python -m example_project`` runs all of it; ``--once`` makes the front ends' calls, prints them and exits.
"""
