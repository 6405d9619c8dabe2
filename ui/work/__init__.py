"""Long work in the background, and its cards."""
