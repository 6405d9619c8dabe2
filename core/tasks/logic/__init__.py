"""The value of a nested boolean formula."""
