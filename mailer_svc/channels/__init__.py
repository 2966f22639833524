"""How messages leave: one package or module for each kind of provider."""
