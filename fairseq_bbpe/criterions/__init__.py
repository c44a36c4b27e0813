"""What `--criterion` names."""
