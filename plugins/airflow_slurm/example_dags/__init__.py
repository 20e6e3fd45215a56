"""DAGs that show what the provider does."""
