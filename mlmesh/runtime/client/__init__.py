"""What the channels of Python clients are made of."""
