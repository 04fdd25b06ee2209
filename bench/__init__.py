"""Measurements, started by hand (`make bench`); nothing here is a test and nothing asserts a speed."""
