"""Where a job runs, and what else is done with a model and data put together.

Nothing is imported here: ``verify`` works where torch is not installed.
"""
