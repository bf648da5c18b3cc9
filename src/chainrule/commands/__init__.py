"""What ``chainrule train``, ``predict`` and ``show`` do, in the order data flows: inputs, split, preparation, network."""
