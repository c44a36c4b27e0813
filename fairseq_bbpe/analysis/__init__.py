"""Pure functions from text or models to tables and figures."""
