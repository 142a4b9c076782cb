"""Octo-planner's tables and ours, each a small TOML file here: ``octoplan experiment NAME``."""
