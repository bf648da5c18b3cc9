"""The systems that are compared, one file each, written as those who know the system would write it."""
