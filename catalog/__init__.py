"""What was measured, why, and again."""
