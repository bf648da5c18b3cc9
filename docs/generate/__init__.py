"""What the documentation site is made of, beside its pages: the reference, the lessons, the errors, the search."""
