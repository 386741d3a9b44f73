"""Readers of the folders and tables in which people have radiographs: each gives one `Layout`."""
