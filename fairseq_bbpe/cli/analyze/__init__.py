"""`fairseq-bbpe analyze`: measure text, vocabularies and models."""
