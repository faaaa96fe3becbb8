"""Gaussian processes over candidates, on coordinates, images and nets."""
