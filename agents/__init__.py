"""Where to look next: numbers in, numbers out."""
