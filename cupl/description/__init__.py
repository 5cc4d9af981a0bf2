"""Photos to texts: what a language model that sees says of them."""
