"""A piezoresponse force microscope over a ferroelectric film."""
