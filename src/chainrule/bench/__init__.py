"""How fast, how large: chainrule beside other systems, each case in a process of its own (``chainrule bench``)."""
