"""How each safety mechanism is switched off: by patches that only tests make."""
