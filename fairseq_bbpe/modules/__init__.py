"""Layers of the two papers: torch only, no registration, no command line."""
