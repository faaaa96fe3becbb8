"""What to do: bluesky generators."""
