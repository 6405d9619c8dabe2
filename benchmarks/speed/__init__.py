"""What the app and the library cost, in time and memory."""
