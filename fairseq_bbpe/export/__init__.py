"""Models and vocabularies in the formats of other programs: exact, or refused."""
