"""What an instrument can do (ophyd); nothing about why."""
