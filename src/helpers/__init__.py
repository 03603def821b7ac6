"""What the notebooks of the course import: small modules that a student can read."""
