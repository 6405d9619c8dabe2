"""The four linked views: what Python sends, and the scripts that draw it."""
