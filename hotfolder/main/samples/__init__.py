"""Four small documents, one of each type, for the demonstration."""
