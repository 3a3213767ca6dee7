"""Live-like load for as long as one likes: memory, books and warnings."""
