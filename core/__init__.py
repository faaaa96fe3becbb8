"""What every floor may use: errors, units, envelope, seeds, registries, data paths."""
