"""The papers' tables and figures: systems and corpora from YAML, trained, evaluated and reported."""
